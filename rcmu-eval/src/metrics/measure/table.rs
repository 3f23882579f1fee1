use crate::metrics::measure::{Better, Measure};

/// Declares the names of measures with their documentation, and their table in the order of reports.
macro_rules! measures {
    ($($constant:ident = $name:literal, $better:ident {
        meaning: $meaning:literal,
        formula: $formula:literal,
        example: $example:literal,
        source: $source:literal,
    })+) => {
        /// The names of the measures, each with its formula, an example by hand and its source.
        ///
        /// A formula is that of one item where it says so; its row in a report is then the mean over the items that
        /// have the measure. `tests/worked_examples.rs` comes to the sums of the examples.
        pub mod names {
            $(
                #[doc = $meaning]
                #[doc = ""]
                #[doc = $formula]
                #[doc = ""]
                #[doc = "# Examples"]
                #[doc = ""]
                #[doc = $example]
                #[doc = ""]
                #[doc = "# Source"]
                #[doc = ""]
                #[doc = $source]
                pub const $constant: &str = $name;
            )+
            /// What guessing would get on this item. No row of its own: it fills the column of `accuracy`.
            ///
            /// Of one item: `1 / options`; of a row: the mean, where every item has it.
            ///
            /// # Examples
            ///
            /// An item with four options and one with five: `(1 / 4 + 1 / 5) / 2 = 0.225`.
            ///
            /// # Source
            ///
            /// Ours: all options are taken for equally likely.
            pub const CHANCE: &str = "chance";
        }

        /// All measures that have rows, in the order of reports.
        pub const MEASURES: &[Measure] =
            &[$(Measure { name: $name, better: Better::$better, meaning: $meaning }),+];

        #[cfg(test)]
        pub(super) const EXAMPLES: &[&str] = &[$($example),+];
        #[cfg(test)]
        pub(super) const SOURCES: &[&str] = &[$($source),+];
    };
}

measures! {
    ACCURACY = "accuracy", Higher {
        meaning: "Share of right answers.",
        formula: "`right / measured`. [`score_item`](crate::scorers::score_item) says which answers are right.",
        example: "Three right answers, one wrong one and one that failed: `3 / (3 + 1) = 0.75`.",
        source: "Theirs: accuracy of a classifier. Ours: what is right, and that an answer that cannot be read is wrong.",
    }
    ACCURACY_MACRO = "accuracy_macro", Higher {
        meaning: "Mean over the kinds of items of their accuracy.",
        formula: "`Σ accuracy(kind) / kinds` over the kinds that were measured, where items of two kinds or more were asked.",
        example: "3 of 4 right of one kind, 0 of 1 of another: `(3 / 4 + 0 / 1) / 2 = 0.375`; `accuracy` is `3 / 5`.",
        source: "Theirs: macro averaging, in C. D. Manning, P. Raghavan and H. Schütze, Introduction to Information \
                 Retrieval (2008), section 13.6. Ours: kinds of items as classes.",
    }
    ROTATION_ACCURACY = "rotation_accuracy", Higher {
        meaning: "Share of the rotations of a question's options with a right answer, mean over questions.",
        formula: "Of one question: `right rotations / options`. [`rotated_questions`](crate::scorers::rotated_questions) makes it.",
        example: "A question of three options, right in two of its rotations: `2 / 3 = 0.666667`.",
        source: "Ours.",
    }
    ROTATION_ALL = "rotation_all", Higher {
        meaning: "Share of questions that are answered rightly in every rotation of their options.",
        formula: "Of one question: 1 when all rotations are right, else 0.",
        example: "Two questions, one right in all rotations and one in some: `(1 + 0) / 2 = 0.5`.",
        source: "Theirs: the circular evaluation of `MMBench` (arXiv 2307.06281).",
    }
    EXACT_MATCH = "exact_match", Higher {
        meaning: "The normalised answer equals an accepted one.",
        formula: "Of one item: 1 when the answer and an accepted one are the same after \
                  [`normalise`](crate::scorers::normalise), else 0.",
        example: "Accepted is `teacher`: `The teacher!` has 1, `She is a teacher.` 0; `(1 + 0) / 2 = 0.5`.",
        source: "Theirs: `SQuAD` (arXiv 1606.05250), section 6.1.",
    }
    TOKEN_F1 = "token_f1", Higher {
        meaning: "F1 of the words shared with the nearest accepted answer.",
        formula: "Of one item: the largest `2 s / (p + e)`, where `s` words are shared by the `p` of the answer and the \
                  `e` of an accepted one, after [`normalise`](crate::scorers::normalise).",
        example: "`The owner is a teacher.` (`owner is teacher`) against `teacher`: `2 * 1 / (3 + 1) = 0.5`.",
        source: "Theirs: `SQuAD` (arXiv 1606.05250), section 6.1.",
    }
    CONTAINS = "contains", Higher {
        meaning: "The answer says an accepted value, whatever else it says.",
        formula: "Of one item: 1 when the words of an accepted value of six words at most stand in the answer without \
                  a negation, else 0.",
        example: "Accepted is `teacher`: `A teacher or a nurse.` has 1, `Not a teacher.` 0; `(1 + 0) / 2 = 0.5`.",
        source: "Ours.",
    }
    ABSTENTION_PRECISION = "abstention_precision", Higher {
        meaning: "Share of the declined questions that are unanswerable.",
        formula: "`TP / (TP + FP)`: `TP` unanswerable questions and `FP` answerable ones were declined. Only where \
                  questions of both sorts were measured.",
        example: "Of four unanswerable questions two are declined, one is answered, and to one nothing is said; of five \
                  answerable ones one is declined: `2 / (2 + 1) = 0.666667`.",
        source: "Theirs: as [`Confusion`](crate::metrics::Confusion).",
    }
    ABSTENTION_RECALL = "abstention_recall", Higher {
        meaning: "Share of the unanswerable questions that were declined.",
        formula: "`TP / (TP + FN)`: of the unanswerable questions `TP` were declined and `FN` were not.",
        example: "The questions of [`ABSTENTION_PRECISION`]: `2 / (2 + 2) = 0.5`.",
        source: "Theirs: as [`Confusion`](crate::metrics::Confusion).",
    }
    ABSTENTION_F1 = "abstention_f1", Higher {
        meaning: "Harmonic mean of abstention precision and recall.",
        formula: "`2 TP / (2 TP + FP + FN)`, where questions of both sorts were measured.",
        example: "The questions of [`ABSTENTION_PRECISION`]: `2 * 2 / (2 * 2 + 1 + 2) = 0.571429`.",
        source: "Theirs: as [`Confusion`](crate::metrics::Confusion).",
    }
    HALLUCINATED_ANSWER = "hallucinated_answer", Lower {
        meaning: "Share of the unanswerable questions that were answered.",
        formula: "`answered / unanswerable`; a text in which no answer can be read is no answer.",
        example: "The questions of [`ABSTENTION_PRECISION`]: `1 / 4 = 0.25`.",
        source: "Ours.",
    }
    OVER_REFUSAL = "over_refusal", Lower {
        meaning: "Share of the answerable questions that were declined.",
        formula: "`FP / (FP + TN)`: of the answerable questions `FP` were declined and `TN` were not.",
        example: "The questions of [`ABSTENTION_PRECISION`]: `1 / (1 + 4) = 0.2`.",
        source: "Theirs: fall-out, as [`Confusion`](crate::metrics::Confusion). Ours: its name.",
    }
    CONTEXT_FOLLOWED = "context_followed", Higher {
        meaning: "With permuted contexts: the answer is what they say, where that differs.",
        formula: "`followed / changed`: of the items whose answer changes with the contexts \
                  ([`Mode::moved`](crate::run::Mode::moved)), those to which the changed answer was given.",
        example: "A red robot is Lily's, a blue cat Tom's, and the texts change places. Who owns the red robot is \
                  answered by `Tom`, which follows them, and who owns the blue cat by `Tom`, which does not: \
                  `1 / 2 = 0.5`.",
        source: "Ours.",
    }
    CITATION_PRECISION = "citation_precision", Higher {
        meaning: "Share of the cited numbers that are right, mean over answers.",
        formula: "Of one item: `hits / cited`; see [`CitationCounts`](crate::metrics::CitationCounts) for empty sets. Not \
                  measured where the right numbers of an answerable question are not known.",
        example: "`{1}` is cited where `{1}` is right, and `{2, 3, 4}` where `{2, 5}` is: `(1 / 1 + 1 / 3) / 2 = 0.666667`.",
        source: "Theirs: precision of sets, macro averaged (Manning et al. 2008, section 13.6). Ours: empty sets.",
    }
    CITATION_RECALL = "citation_recall", Higher {
        meaning: "Share of the right numbers that are cited, mean over answers.",
        formula: "Of one item: `hits / right`; see [`CitationCounts`](crate::metrics::CitationCounts) for empty sets.",
        example: "The answers of [`CITATION_PRECISION`]: `(1 / 1 + 1 / 2) / 2 = 0.75`.",
        source: "Theirs: recall of sets, macro averaged (Manning et al. 2008, section 13.6). Ours: empty sets.",
    }
    CITATION_F1 = "citation_f1", Higher {
        meaning: "F1 of cited and right numbers, mean over answers.",
        formula: "Of one item: `2 hits / (cited + right)`; 1 when both are empty.",
        example: "The answers of [`CITATION_PRECISION`]: `(2 / (1 + 1) + 2 / (3 + 2)) / 2 = 0.7`.",
        source: "Theirs: F1 of sets, macro averaged (Manning et al. 2008, section 13.6). Ours: empty sets.",
    }
    CITATION_EXACT = "citation_exact", Higher {
        meaning: "Exactly the right numbers are cited.",
        formula: "Of one item: 1 when the cited numbers are the right ones, else 0.",
        example: "The answers of [`CITATION_PRECISION`]: `(1 + 0) / 2 = 0.5`.",
        source: "Ours.",
    }
    CITATION_INVALID = "citation_invalid", Lower {
        meaning: "Share of the cited numbers that point at nothing, mean over the answers that cite.",
        formula: "Of one item: `invalid / cited`, where a number is invalid that is none of a region or a reference \
                  picture that was shown; not measured where nothing is cited. It is measured whether or not marks were asked for.",
        example: "Of two regions, `Lily [1], Tom [9].` cites 1 and 9, and `Lily [1].` 1; a third answer cites nothing: \
                  `(1 / 2 + 0 / 1) / 2 = 0.25`, over 2 items.",
        source: "Ours.",
    }
    CITATION_PRECISION_MICRO = "citation_precision_micro", Higher {
        meaning: "Share of all cited numbers that are right.",
        formula: "`Σ hits / Σ cited`.",
        example: "The answers of [`CITATION_PRECISION`]: `(1 + 1) / (1 + 3) = 0.5`.",
        source: "Theirs: micro averaging (Manning et al. 2008, section 13.6). Ours: empty sets.",
    }
    CITATION_RECALL_MICRO = "citation_recall_micro", Higher {
        meaning: "Share of all right numbers that are cited.",
        formula: "`Σ hits / Σ right`.",
        example: "The answers of [`CITATION_PRECISION`]: `(1 + 1) / (1 + 2) = 0.666667`.",
        source: "Theirs: micro averaging (Manning et al. 2008, section 13.6). Ours: empty sets.",
    }
    CITATION_F1_MICRO = "citation_f1_micro", Higher {
        meaning: "F1 of all cited and all right numbers.",
        formula: "`2 Σ hits / (Σ cited + Σ right)`.",
        example: "The answers of [`CITATION_PRECISION`]: `2 * 2 / (4 + 3) = 0.571429`.",
        source: "Theirs: micro averaging (Manning et al. 2008, section 13.6). Ours: empty sets.",
    }
    CITATION_INVALID_MICRO = "citation_invalid_micro", Lower {
        meaning: "Share of all cited numbers that point at nothing.",
        formula: "`Σ invalid / Σ cited` over the answers that cite anything.",
        example: "The answers of [`CITATION_INVALID`]: `(1 + 0) / (2 + 1) = 0.333333`.",
        source: "Theirs: micro averaging (Manning et al. 2008, section 13.6). Ours: what is averaged.",
    }
    ALCE_RECALL = "alce_recall", Higher {
        meaning: "Share of the statements that need support and are entailed by what they cite.",
        formula: "Of one item: `supported / needing`, as [`alce`](crate::scorers::alce) tells them.",
        example: "`[1]` says that Lily is a teacher, `[2]` that Tom is a nurse. `Lily is a teacher [1]. Tom is a nurse \
                  [1][2]. Lily is a nurse [1].`: the third statement does not follow, `2 / 3 = 0.666667`.",
        source: "Theirs: ALCE (arXiv 2305.14627), section 4, with the changes that are told at \
                 [`alce`](crate::scorers::alce).",
    }
    ALCE_PRECISION = "alce_precision", Higher {
        meaning: "Share of the citations that support their statement.",
        formula: "Of one item: `precise / citations`, as [`alce`](crate::scorers::alce) tells them.",
        example: "The answer of [`ALCE_RECALL`]: the first `[1]` and the `[2]` are precise; the second `[1]` is not \
                  needed, and the third does not support: `2 / 4 = 0.5`.",
        source: "Theirs: ALCE (arXiv 2305.14627), section 4, with the changes that are told at \
                 [`alce`](crate::scorers::alce).",
    }
    BOX_IOU = "box_iou", Higher {
        meaning: "Intersection over union of named and right boxes.",
        formula: "Of one item: `Σ IoU(pair) / max(named, right)`, as [`match_boxes`](crate::metrics::match_boxes) pairs.",
        example: "Right is a box of 100 × 100; it is named moved by 20, and a box far away besides: the pair shares 8000 \
                  of 12000, `(8000 / 12000 + 0) / 2 = 0.333333`.",
        source: "Theirs: intersection over union, PASCAL VOC (IJCV 2010). Ours: the pairs, and the mean.",
    }
    BOX_HIT = "box_hit", Higher {
        meaning: "Share of boxes with an intersection over union of 0.5 or more.",
        formula: "Of one item: `hits / max(named, right)`, where a hit is a pair with 0.5 or more.",
        example: "The boxes of [`BOX_IOU`]: `(1 + 0) / 2 = 0.5`.",
        source: "Theirs: the threshold, PASCAL VOC (IJCV 2010). Ours: the pairs, and the share.",
    }
    OBJECTS_NAMED = "objects_named", Higher {
        meaning: "Share of the objects that are named with their colour and shape.",
        formula: "Of one item: `Σ min(n, c) / objects` over the looks, each of `n` objects and named `c` times.",
        example: "Two red robots and a blue cat; `A red robot and a blue cat.` names `(1 + 1) / 3 = 0.666667`.",
        source: "Ours.",
    }
    RCID_SCORE = "rcid_score", Higher {
        meaning: "`RCIDScore` / 100: harmonic mean of coverage, accuracy and consistency.",
        formula: "Of one item: `3 / (1 / coverage + 1 / accuracy + 1 / consistency)`; 0 when one of them is 0.",
        example: "The description of [`RCID_COVERAGE`], whose accuracy and consistency are 1: \
                  `3 / (1 / 0.375 + 1 + 1) = 0.642857`.",
        source: "Ours; arXiv 2508.12263 names the score and its three parts.",
    }
    RCID_COVERAGE = "rcid_coverage", Higher {
        meaning: "Share of objects and facts that the description mentions.",
        formula: "Of one item: `(objects + facts) / 2`: `objects` is the share of the regions that are mentioned, `facts` \
                  the mean over the regions with facts of `min(1, told / min(2, facts))`; `objects` alone where none has \
                  any.",
        example: "Two figurines with owner and job each; `A red robot owned by Lily [1].` mentions one and tells one of \
                  its facts: objects `1 / 2`, facts `(1 / 2 + 0 / 2) / 2`, and `(0.5 + 0.25) / 2 = 0.375`.",
        source: "Ours; arXiv 2508.12263 names the part.",
    }
    RCID_OBJECTS = "rcid_objects", Higher {
        meaning: "Share of the regions that the description mentions: a half of coverage.",
        formula: "Of one item: `mentioned / regions`, by name, or by mark and class noun.",
        example: "The description of [`RCID_COVERAGE`]: `1 / 2 = 0.5`.",
        source: "Ours; arXiv 2508.12263 names coverage.",
    }
    RCID_FACTS = "rcid_facts", Higher {
        meaning: "Share of the facts that the description tells, two of a region at most: the other half of coverage.",
        formula: "Of one item: the mean over the regions with facts of `min(1, told / min(2, facts))`; not measured where \
                  no region has any.",
        example: "The description of [`RCID_COVERAGE`]: `(1 / 2 + 0 / 2) / 2 = 0.25`.",
        source: "Ours; arXiv 2508.12263 names coverage.",
    }
    RCID_ACCURACY = "rcid_accuracy", Higher {
        meaning: "Share of contextual claims that their region's text entails.",
        formula: "Of one item: `entailed / claims`; 0 without claims.",
        example: "`[1]` is owned by Lily of Rome, aged 41, a teacher; `[2]` by Tom, a nurse with a parrot. `A red robot \
                  owned by Lily of Rome, aged 41, a nurse with a parrot [1].`: of the claims Lily, Rome, 41, nurse and \
                  parrot the first three are entailed, `3 / 5 = 0.6`.",
        source: "Ours; arXiv 2508.12263 names the part.",
    }
    RCID_CONSISTENCY = "rcid_consistency", Higher {
        meaning: "Agreement of mentions with what their regions show.",
        formula: "Of one item: the mean over the mentions of `passed / possible` checks, which are told at \
                  [`rcid_score`](crate::scorers::rcid_score).",
        example: "`[1]` is a red robot, `[2]` a blue cat, both figurines. `A red robot of Lily [1], and a red figurine of \
                  Tom [2].`: the first passes class, box and vision, the second class only: \
                  `(3 / 3 + 1 / 3) / 2 = 0.666667`.",
        source: "Ours; arXiv 2508.12263 names the part.",
    }
    RCID_PERMUTED = "rcid_permuted", Lower {
        meaning: "The same with regions of one class permuted: a control.",
        formula: "Of one item: as [`RCID_CONSISTENCY`], each mention against the next region of the same class.",
        example: "The description of [`RCID_CONSISTENCY`]: `[2]` is no red robot and fails all, `[1]` is a red figurine \
                  and passes all: `(0 / 3 + 3 / 3) / 2 = 0.5`.",
        source: "Ours.",
    }
    BIND_GAP = "bind_gap", Higher {
        meaning: "Consistency minus consistency with permuted regions.",
        formula: "Of one item: `consistency - permuted`, from -1 to 1.",
        example: "The description of [`RCID_CONSISTENCY`]: `2 / 3 - 1 / 2 = 0.166667`.",
        source: "Ours.",
    }
    RCID_FACTS_KNOWN = "rcid_facts_known", Higher {
        meaning: "Share of the descriptions of which `rcid_facts` could be computed.",
        formula: "Of one item: 1 when a region has a fact, else 0. The column of items has the measured descriptions, `N` of `n of N`.",
        example: "Four descriptions: that of [`RCID_COVERAGE`]; `Someone owned by Lily [1].`; `A red robot [1].` where no \
                  region has a fact; `A figurine owned by Lily [1].` One of them has no fact to tell: \
                  `3 / 4 = 0.75`.",
        source: "Ours.",
    }
    RCID_CONSISTENCY_KNOWN = "rcid_consistency_known", Higher {
        meaning: "Share of the descriptions of which `rcid_consistency` could be computed.",
        formula: "Of one item: 1 when a check could judge a mention, else 0.",
        example: "The descriptions of [`RCID_FACTS_KNOWN`]: the second says nothing that can be seen, `3 / 4 = 0.75`.",
        source: "Ours.",
    }
    RCID_CLASS_KNOWN = "rcid_class_known", Higher {
        meaning: "Share of the descriptions in which the class of a mention could be checked.",
        formula: "Of one item: 1 when a mention has a class noun, else 0.",
        example: "The descriptions of [`RCID_FACTS_KNOWN`]: the second has none, `3 / 4 = 0.75`.",
        source: "Ours.",
    }
    RCID_BOX_KNOWN = "rcid_box_known", Higher {
        meaning: "Share of the descriptions in which the box of a mention could be told from others of its class.",
        formula: "Of one item: 1 when a mention fits exactly one side, its own region or others of the class, else 0.",
        example: "The descriptions of [`RCID_FACTS_KNOWN`]: the second and the fourth fit no region alone, \
                  `2 / 4 = 0.5`.",
        source: "Ours.",
    }
    RCID_VISION_KNOWN = "rcid_vision_known", Higher {
        meaning: "Share of the descriptions in which a mention could be compared with what its region shows.",
        formula: "Of one item: 1 when the judge of pictures had a verdict on a mention, else 0.",
        example: "The descriptions of [`RCID_FACTS_KNOWN`]: the second and the fourth say nothing of colour or shape, \
                  `2 / 4 = 0.5`.",
        source: "Ours.",
    }
    RCID_PERMUTED_KNOWN = "rcid_permuted_known", Higher {
        meaning: "Share of the descriptions of which `rcid_permuted`, and so `bind_gap`, could be computed.",
        formula: "Of one item: 1 when consistency could be computed and two regions have one class, else 0.",
        example: "The descriptions of [`RCID_FACTS_KNOWN`]: all but the second, `3 / 4 = 0.75`.",
        source: "Ours.",
    }
    RCID_SCORE_KNOWN = "rcid_score_known", Higher {
        meaning: "Share of the descriptions of which `rcid_score` could be computed.",
        formula: "Of one item: 1 when all three parts are known or one of them is 0, else 0.",
        example: "The descriptions of [`RCID_FACTS_KNOWN`]: the third makes no claim and has 0, the second is not known, \
                  `3 / 4 = 0.75`.",
        source: "Ours.",
    }
    CONTRADICTION_RATE = "contradiction_rate", Lower {
        meaning: "Share of claims that their region's text contradicts.",
        formula: "Of one item: `contradicted / claims`; not measured without claims.",
        example: "The description of [`RCID_ACCURACY`]: Lily is a teacher and no nurse, and nothing is told of her \
                  parrot: `1 / 5 = 0.2`.",
        source: "Ours.",
    }
    SWAP_RATE = "swap_rate", Lower {
        meaning: "Share of claims that only another region's text entails.",
        formula: "Of one item: `swapped / claims`; not measured without claims.",
        example: "The description of [`RCID_ACCURACY`]: nurse and parrot are Tom's, `2 / 5 = 0.4`.",
        source: "Ours.",
    }
}
