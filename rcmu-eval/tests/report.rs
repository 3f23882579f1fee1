//! Reports hold hostile texts without harm and come back from their files.

mod reports;

use rcmu_eval::{
    Error, Outcome, SummaryRow,
    report::{ComparisonReport, Headline, Report, ReportItem, Verdict, visible},
};

use reports::{comparison_of, csv_records, report_of, skeleton};

/// Texts that mean something in some format or hide something.
fn hostile() -> Vec<String> {
    let mut texts: Vec<_> = [
        "<script>alert(1)</script>",
        "</title></style></svg><img src=x onerror=alert(1)>",
        "]]><!--<![CDATA[",
        "\"'><svg/onload=alert(1)>",
        "&lt;script&gt; &amp; &#60;",
        "a | b || c\n| d |\n\n# e",
        "=cmd|'/c calc'!A1",
        "+1",
        "-1",
        "@SUM(A1:A9)",
        "\t=1",
        "\r\n=1",
        "\u{202e}gnp.exe\u{202c} \u{2066}x\u{2069}\u{200b}\u{feff}",
        "\0\u{1}\u{1b}[31mred\u{7f}\u{85}\u{9b}\u{2028}\u{fffe}",
        "a,\"b\",c\r\nd",
        "![x](javascript:alert(1)) [y](https://e.org) `code` www.e.org",
        "{{ title }} {% include \"x\" %} ${x}",
        "\\u003cscript\\u003e \\",
    ]
    .map(str::to_owned)
    .into();
    texts.push("<b>".repeat(34_000));
    texts.push("\u{202e}\u{10ffff}".repeat(12_500));
    texts
}

#[test]
fn pages_have_the_same_tags_and_attributes_whatever_the_texts_say() {
    let plain = skeleton(&report_of("plain").to_html().unwrap());
    let plain_comparison = skeleton(&comparison_of("plain").to_html().unwrap());

    assert!(plain.len() > 100, "the skeleton holds the tags");
    assert!(!plain.iter().any(|tag| tag.contains("script") || tag.contains(" on") || tag.contains(" style")));
    for text in hostile() {
        let page = report_of(&text).to_html().unwrap();

        assert_eq!(skeleton(&page), plain, "{text:.60}");
        assert_eq!(visible(&page), page);
        assert_eq!(skeleton(&comparison_of(&text).to_html().unwrap()), plain_comparison, "{text:.60}");
    }
}

#[test]
fn pages_forbid_themselves_scripts_and_the_network() {
    for page in [report_of("plain").to_html().unwrap(), comparison_of("plain").to_html().unwrap()] {
        let policy =
            page.split("Content-Security-Policy\" content=\"").nth(1).expect("the page has a policy");
        assert!(policy.starts_with("default-src &#39;none&#39;; img-src data:; style-src &#39;sha256-"));
        assert!(
            page.find("Content-Security-Policy") < page.find("<style>"),
            "it stands before what it rules"
        );
    }
}

#[test]
fn junit_is_well_formed_and_says_what_the_texts_say() {
    for text in hostile() {
        let xml = report_of(&text).to_junit();
        let document = roxmltree::Document::parse(&xml).unwrap_or_else(|error| panic!("{error}: {text:.60}"));

        assert_eq!(visible(&xml), xml);
        let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
        let counts = ["tests", "failures", "errors"].map(|name| suite.attribute(name).unwrap());
        assert_eq!(counts, ["3", "1", "1"]);
        let cases: Vec<_> = document.descendants().filter(|node| node.has_tag_name("testcase")).collect();
        let shown: String = text.chars().take(1000).collect();
        assert!(cases[0].attribute("name").unwrap().starts_with(&visible(&shown)));
        let elements = document.descendants().filter(roxmltree::Node::is_element).count();
        // Two suites, properties with the headline and five facts, three cases, one failure, one error.
        assert_eq!(elements, 2 + 1 + 6 + 3 + 2);
    }
}

#[test]
fn csv_has_the_same_columns_for_all_and_no_formulas() {
    for text in hostile() {
        let report = report_of(&text);
        let comparison = comparison_of(&text).to_csv();
        for (csv, lines, columns) in
            [(report.to_csv(), 4, 13), (report.to_csv_table(), 3, 10), (comparison, 3, 20)]
        {
            let records = csv_records(&csv);

            assert_eq!(records.len(), lines, "{text:.60}");
            assert!(records.iter().all(|record| record.len() == columns), "{text:.60}");
            for cell in records.iter().flatten() {
                assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:.60}");
                assert_eq!(&visible(cell), cell);
            }
        }
    }
}

#[test]
fn markdown_has_the_same_lines_and_cells_for_all() {
    let shape = |markdown: &str| -> Vec<usize> {
        let cells = |line: &str| line.replace("\\\\", "").replace("\\|", "").matches('|').count();
        markdown.lines().map(cells).collect()
    };
    let plain = shape(&report_of("plain").to_markdown());
    let plain_comparison = shape(&comparison_of("plain").to_markdown());

    for text in hostile() {
        let (markdown, comparison) = (report_of(&text).to_markdown(), comparison_of(&text).to_markdown());

        assert_eq!(
            (shape(&markdown), shape(&comparison)),
            (plain.clone(), plain_comparison.clone()),
            "{text:.60}"
        );
        for written in [markdown, comparison] {
            assert!(
                !written.contains('<') && !written.contains("](") && !written.contains("https://"),
                "{text:.60}"
            );
            assert_eq!(visible(&written), written);
        }
    }
}

#[test]
fn json_comes_back_and_holds_nothing_raw() {
    for text in hostile() {
        let report = report_of(&text);
        let json = report.to_json().unwrap();

        assert!(!json.contains(['<', '>', '&', '\'']));
        assert_eq!(visible(&json), json);
        assert_eq!(Report::from_json(&json).unwrap(), report, "{text:.60}");

        let comparison = comparison_of(&text);
        let json = comparison.to_json().unwrap();
        assert!(!json.contains(['<', '>', '&', '\'']) && visible(&json) == json);
        let back = ComparisonReport::from_json(&json).unwrap();
        assert_eq!(back.uncompared, comparison.uncompared, "{text:.60}");
        assert_eq!(back.to_markdown(), comparison.to_markdown(), "{text:.60}");
    }
}

#[test]
fn equal_reports_give_equal_bytes() {
    let all = |report: &Report| {
        [
            report.to_html().unwrap(),
            report.to_json().unwrap(),
            report.to_csv(),
            report.to_csv_table(),
            report.to_markdown(),
            report.to_junit(),
        ]
    };
    let report = report_of("a [1] b");
    let back = Report::from_json(&report.to_json().unwrap()).unwrap();

    assert_eq!(all(&report_of("a [1] b")), all(&report));
    assert_eq!(all(&back), all(&report));
}

#[test]
fn json_that_is_no_report_is_an_error() {
    let json = report_of("plain").to_json().unwrap();

    for end in (0..json.trim_end().len()).step_by(7) {
        assert!(matches!(Report::from_json(&json[..end]), Err(Error::ReportSyntax { .. })), "{end}");
    }
    let newer = json.replacen("\"version\": 2", "\"version\": 3", 1);
    assert!(matches!(Report::from_json(&newer), Err(Error::ReportVersion { found: 3, expected: 2 })));
    let other = json.replacen("rcmu-eval-report", "other", 1);
    assert!(matches!(Report::from_json(&other), Err(Error::ReportField { field, .. }) if field == "schema"));
    let picture = json.replacen("cGxhaW4=", "cGxhaW4", 1);
    assert_ne!(picture, json, "`plain` in Base64 is there");
    assert!(matches!(Report::from_json(&picture), Err(Error::ReportSyntax { .. })));
    let cited = json.replacen("\"cited\": []", "\"cited\": [3]", 1);
    assert!(
        matches!(Report::from_json(&cited), Err(Error::ReportField { field, .. }) if field == "items[0].cited")
    );
    let missing = json.replacen("\"picture\": 0", "\"picture\": 1", 1);
    assert!(
        matches!(Report::from_json(&missing), Err(Error::ReportField { field, .. }) if field == "items[0].picture")
    );
    assert!(Report::from_json(&"[".repeat(100_000)).is_err());
    let invalid = report_of("[7]").to_json().unwrap();
    let inverted = invalid.replacen("\"invalid\": [\n          7", "\"invalid\": [\n          2", 1);
    assert_ne!(inverted, invalid, "7 is cited and points at nothing");
    assert!(
        matches!(Report::from_json(&inverted), Err(Error::ReportField { field, .. }) if field == "items[0].invalid")
    );
}

#[test]
fn json_that_is_no_comparison_is_an_error() {
    let comparison = comparison_of("plain");
    let json = comparison.to_json().unwrap();

    for end in (0..json.trim_end().len()).step_by(7) {
        assert!(
            matches!(ComparisonReport::from_json(&json[..end]), Err(Error::ReportSyntax { .. })),
            "{end}"
        );
    }
    let newer = json.replacen("\"version\": 2", "\"version\": 3", 1);
    assert!(matches!(
        ComparisonReport::from_json(&newer),
        Err(Error::ReportVersion { found: 3, expected: 2 })
    ));
    let report = report_of("plain").to_json().unwrap();
    assert!(
        matches!(ComparisonReport::from_json(&report), Err(Error::ReportField { field, .. }) if field == "schema")
    );
    let mut comparison = comparison;
    comparison.rows[0].comparison.paired.difference = f64::NAN;
    assert!(matches!(comparison.to_json(), Err(Error::ReportField { field, .. }) if field == "rows[0]"));
    assert!(comparison.to_html().is_ok());
}

#[test]
fn numbers_that_json_lacks_are_refused_by_name() {
    let mut report = report_of("plain");
    report.rows[1].best = f64::NAN;
    assert!(matches!(report.to_json(), Err(Error::ReportField { field, .. }) if field == "rows[1]"));
    assert!(report.to_html().is_ok());

    report.rows.clear();
    report.items[2].score.measures.insert("iou".into(), f64::INFINITY);
    assert!(
        matches!(report.to_json(), Err(Error::ReportField { field, .. }) if field == "items[2].score.measures.iou")
    );
}

#[test]
fn more_failures_than_allowed_leave_no_headline() {
    let mut report = report_of("plain");
    assert!(matches!(report.headline(), Headline::Row(row) if row.measure == "accuracy"));
    assert!(report.to_html().unwrap().contains("<p class=\"big\">50.0<small>"));

    report.allowed_failures = 0;

    assert_eq!(report.headline(), Headline::Refused { failures: 1, total: 3, allowed: 0 });
    let words = "No headline: 1 of 3 items could not be measured, and 0 are allowed.";
    let page = report.to_html().unwrap();
    assert!(page.contains(words) && !page.contains("class=\"big\""));
    assert!(report.to_json().unwrap().contains(words) && report.to_junit().contains(words));
    assert!(report.to_markdown().contains(&words.replace(':', "\\:")));

    report.rows.clear();
    report.outcomes.clear();
    assert_eq!(report.headline(), Headline::Nothing);
}

#[test]
fn a_report_without_accuracy_is_headed_by_what_says_most() {
    let mut report = report_of("plain");
    let row = report.rows[0].clone();
    let of = |measure: &str| SummaryRow { measure: measure.into(), ..row.clone() };
    report.rows = vec![of("over_refusal"), of("citation_f1"), of("rcid_score")];
    assert!(matches!(report.headline(), Headline::Row(row) if row.measure == "rcid_score"));

    report.rows.pop();
    assert!(matches!(report.headline(), Headline::Row(row) if row.measure == "citation_f1"));
    report.rows.pop();
    assert!(matches!(report.headline(), Headline::Row(row) if row.measure == "over_refusal"));
}

#[test]
fn items_know_what_they_cite_and_whether_they_are_right() {
    let report = report_of("Lily [2] and [1], [7] [2].");
    let item = &report.items[0];

    // One region and one reference picture: 7 is nothing.
    assert_eq!(item.cited, [2, 1]);
    assert_eq!(item.invalid, [7]);
    let items = csv_records(&report.to_csv());
    let column = items[0].iter().position(|name| name == "invalid").unwrap();
    assert_eq!((items[1][column].as_str(), items[3][column].as_str()), ("7", ""));
    assert!(report.to_html().unwrap().contains("<p class=\"note invalid\">Cites what is not there: 7</p>"));
    assert!(report.to_json().unwrap().contains("\"invalid\": ["));
    assert_eq!(report.items[2].cited, Vec::<u32>::new(), "a reason to fail cites nothing");
    let verdicts: Vec<_> = report.items.iter().map(ReportItem::verdict).collect();
    assert_eq!(verdicts, [Verdict::Right, Verdict::Wrong, Verdict::Failed]);
    assert_eq!((report.count(Outcome::Scored), report.failures(), report.total()), (2, 1, 3));
}

#[test]
fn comparisons_say_which_run_is_better() {
    // Differences 1, 1, 0, 0: the mean is 50 points; two discordant items, both won: p = 2 * 0.25, g = 2 / 2 - 0.5, and
    // d_z = 0.5 / √(4 * 0.25 / 3) = 0.866025.
    let comparison = comparison_of("accuracy");
    let (markdown, page) = (comparison.to_markdown(), comparison.to_html().unwrap());

    assert!(markdown.contains("| accuracy | accuracy | 4 | 0 | 25.0 | 75.0 | **+50.0** |"), "{markdown}");
    assert!(markdown.contains("| 0 \\: 2 | 0.500 | 0.50 | 0.87 |"), "{markdown}");
    assert!(markdown.contains("| accuracy | accuracy | 4 | 0 | the second run has not measured it |"));
    for cell in ["4</td>", "+50.0</td>", "0 : 2</td>", "0.500</td>", "0.50</td>", "0.87</td>"] {
        assert!(page.contains(&format!(">{cell}")), "{cell}");
    }
    assert!(page.contains("<td>the second run has not measured it</td>"));

    let records = csv_records(&comparison.to_csv());
    let cell = |line: usize, name: &str| {
        let column = records[0].iter().position(|head| head == name).unwrap();
        records[line][column].as_str()
    };
    assert_eq!(
        ["pairs", "first", "second", "difference"].map(|name| cell(1, name)),
        ["4", "0.25", "0.75", "0.5"]
    );
    let test = ["only_first_right", "only_second_right", "g"].map(|name| cell(1, name));
    assert_eq!(test, ["0", "2", "0.5"]);
    assert!((cell(1, "mcnemar_p").parse::<f64>().unwrap() - 0.5).abs() < 1e-12);
    assert!((cell(1, "d_z").parse::<f64>().unwrap() - 0.866_025).abs() < 1e-6);
    let left_out = ["pairs", "only_in_first", "difference", "not_compared"].map(|name| cell(2, name));
    assert_eq!(left_out, ["0", "4", "", "the second run has not measured it"]);
}
