use rcmu_model::{
    PatchGrid,
    config::ModelConfig,
    position::{Positions, runs},
    trace::rotary_tables,
};
use serde_json::Value;

use super::{
    VerifyOptions,
    checkpoints::CHECKPOINTS,
    golden::Golden,
    json::Node,
    report::{Report, Stage, equal},
    tolerance::ROTARY,
};

/// Checks the positions of every batch, and the decoder's rotary tables.
pub(super) fn check(golden: &Golden, options: &VerifyOptions, report: &mut Report) {
    let Some(root) = golden.section("rope.json", report) else { return };
    let mut positions = Stage::exact("positions");
    let mut tables = Stage::new("rotary tables", ROTARY);
    match config(golden) {
        Ok(config) => {
            for case in root.get("cases").map_or_else(Vec::new, |cases| cases.items()) {
                positions.case(case.name(), check_case(golden, &config, &case));
            }
            if let Err(problem) = check_tables(&root, &config, options, &mut tables) {
                tables.case(root.name(), Err(problem));
            }
        }
        Err(problem) => positions.case(root.name(), Err(problem)),
    }
    report.push(positions);
    report.push(tables);
}

/// The settings of any checkpoint of the directory: all name the same tokens.
fn config(golden: &Golden) -> Result<ModelConfig, String> {
    let folder = CHECKPOINTS.into_iter().find(|folder| golden.has(&format!("{folder}/config.json")));
    let folder = folder.ok_or("no checkpoint tells which tokens stand for pictures")?;
    ModelConfig::from_dir(&golden.path(folder)).map_err(|error| error.to_string())
}

fn check_case(golden: &Golden, config: &ModelConfig, case: &Node<'_>) -> Result<(), String> {
    let _label: String = case.field("name")?;
    let segments: Vec<Vec<Value>> = case.field("segments")?;
    let (ids, mask): (Vec<Vec<u32>>, Vec<Vec<u8>>) =
        (case.field("input_ids")?, case.field("attention_mask")?);
    let expected: [Vec<Vec<i64>>; 3] = case.field("position_ids")?;
    let deltas: Vec<i64> = case.field("rope_deltas")?;
    let next: Vec<i64> = case.field("first_new_position")?;
    let rows = ids.len();
    let lengths = [segments.len(), mask.len(), deltas.len(), next.len()];
    if rows == 0 || lengths.iter().chain(&expected.each_ref().map(Vec::len)).any(|len| *len != rows) {
        return Err("its lists are of different lengths".to_owned());
    }

    let mut all: [Vec<[usize; 3]>; 2] = Default::default();
    for row in 0..rows {
        let grids = row_grids(&segments[row])?;
        for (all, own) in all.iter_mut().zip(&grids) {
            all.extend(own);
        }
        let pads = ids[row].len() - real_tokens(&mask[row], ids[row].len())?;
        let expected = expected.each_ref().map(|axis| axis[row].as_slice());
        equal(&(ids[row].len() - pads), &row_len(config, &segments[row], &grids))?;
        let found = count(golden, config, &ids[row][pads..], &grids)?;
        compare_row(golden, &found, pads, expected).map_err(|problem| format!("row {row}: {problem}"))?;
        let real = found.len() as i64;
        // transformers 4 counts the pads of a row as tokens.
        let counted = if golden.is_v5() { real } else { ids[row].len() as i64 };
        equal(&(found.rope_delta + real - counted), &deltas[row])?;
        equal(&(found.rope_delta + real), &next[row])?;
    }
    equal(&all[0], &case.field("image_grid_thw")?)?;
    equal(&all[1], &case.field("video_grid_thw")?)
}

/// Grids of the images and of the videos of a row: `["image", t, h, w]` among numbers of text tokens.
fn row_grids(segments: &[Value]) -> Result<[Vec<[usize; 3]>; 2], String> {
    let mut grids: [Vec<[usize; 3]>; 2] = Default::default();
    for segment in segments.iter().filter(|segment| !segment.is_u64()) {
        let segment = serde_json::from_value::<(String, usize, usize, usize)>(segment.clone());
        let (kind, t, h, w) = segment.map_err(|error| error.to_string())?;
        match kind.as_str() {
            "image" => grids[0].push([t, h, w]),
            "video" => grids[1].push([t, h, w]),
            other => return Err(format!("segment {other:?} is not known")),
        }
    }
    Ok(grids)
}

/// Tokens of a row: its texts, and each picture with a token before and one behind.
fn row_len(config: &ModelConfig, segments: &[Value], grids: &[Vec<[usize; 3]>; 2]) -> usize {
    let merged = (config.vision.spatial_merge_size * config.vision.spatial_merge_size).max(1);
    let texts = segments.iter().filter_map(Value::as_u64).fold(0, u64::saturating_add);
    let patches =
        |grid: &[usize; 3]| grid.iter().fold(1, |product: usize, side| product.saturating_mul(*side));
    let pictures = grids.iter().flatten().map(|grid| patches(grid) / merged + 2);
    pictures.fold(texts as usize, usize::saturating_add)
}

/// Real tokens of a row that is padded on the left.
pub(super) fn real_tokens(mask: &[u8], len: usize) -> Result<usize, String> {
    let real: usize = mask.iter().map(|&bit| usize::from(bit == 1)).sum();
    let is_left_padded = mask.len() == len && mask.iter().rev().take(real).all(|&bit| bit == 1);
    let is_mask = mask.iter().all(|&bit| bit <= 1) && is_left_padded && real > 0;
    if is_mask { Ok(real) } else { Err("its mask is not that of a row padded on the left".to_owned()) }
}

fn count(
    golden: &Golden,
    config: &ModelConfig,
    ids: &[u32],
    grids: &[Vec<[usize; 3]>; 2],
) -> Result<Positions, String> {
    let merge = config.vision.spatial_merge_size;
    let grid = |thw: &[usize; 3]| {
        let [t, h, w] = *thw;
        // More patches than ids could stand for would only waste time.
        let is_small = t.checked_mul(h).and_then(|n| n.checked_mul(w)).is_some_and(|n| n <= 1 << 24);
        PatchGrid::new(*thw, merge)
            .filter(|_| is_small)
            .ok_or_else(|| format!("{thw:?} is no grid of patches"))
    };
    let [images, videos] =
        grids.each_ref().map(|grids| grids.iter().map(grid).collect::<Result<Vec<_>, _>>());
    let pads = [config.image_token_id, config.video_token_id];
    let runs = runs(ids, pads, &images?, &videos?).map_err(|error| error.to_string())?;
    Ok(Positions::new(&runs, golden.dialect().position_rule()))
}

/// Compares one row; pads have a fixed position that differs between versions of transformers.
pub(super) fn compare_row(
    golden: &Golden,
    found: &Positions,
    pads: usize,
    expected: [&[i64]; 3],
) -> Result<(), String> {
    let of_pad = i64::from(!golden.is_v5());
    for (axis, (found, expected)) in
        ["time", "height", "width"].iter().zip(found.position_ids.iter().zip(expected))
    {
        let padding = std::iter::repeat_n(of_pad, pads);
        let found: Vec<i64> = padding.chain(found.iter().map(|&position| i64::from(position))).collect();
        equal(&found.as_slice(), &expected).map_err(|problem| format!("{axis}: {problem}"))?;
    }
    Ok(())
}

fn check_tables(
    root: &Node<'_>,
    config: &ModelConfig,
    options: &VerifyOptions,
    stage: &mut Stage,
) -> Result<(), String> {
    let node = root.need("text_cos_sin")?;
    let positions: [Vec<u32>; 3] = node.field("position_ids")?;
    let [t, h, w] = positions.each_ref().map(Vec::as_slice);
    if t.len() != h.len() || t.len() != w.len() || t.is_empty() {
        return Err("its positions are of different lengths".to_owned());
    }
    let tables =
        rotary_tables(&config.text, [t, h, w], &options.device).map_err(|error| error.to_string())?;
    for (key, found) in ["cos", "sin"].into_iter().zip(&tables) {
        let rows: Vec<Vec<f32>> = node.field(key)?;
        let expected: Vec<f32> = rows.into_iter().flatten().collect();
        stage.near(&format!("{}.{key}", node.name()), found, &expected);
    }
    Ok(())
}
