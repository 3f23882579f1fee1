//! What a session keeps: when it is used again, and when it is given back.

use rcmu::{
    Backend, Error, Rcmu,
    core::{
        Answer, BBox, Control, GenerateOptions, Generator, ImageSize, Picture, PixelBox, Question, Request,
        Scene,
    },
};

use crate::{TestResult, fixture, generate, load, options, picture, refusal, request, scene};

fn with_budget(budget: u64) -> Result<Rcmu, Error> {
    let mut options = options()?;
    options.model.memory_budget = Some(budget);
    Rcmu::load(&fixture("tiny_bf16").to_string_lossy(), &options)
}

/// On the CPU, whatever else the tests run on: there attention keeps no scores, so that a picture of many patches needs more
/// than a long text.
fn on_cpu(budget: Option<u64>) -> Result<Rcmu, Error> {
    let mut options = options()?.on(Backend::Flex.device()?);
    options.model.memory_budget = budget;
    Rcmu::load(&fixture("tiny_bf16").to_string_lossy(), &options)
}

/// Scenes with one picture, the first that of [`scene`], the others with something else in it or about it.
fn edited(seed: u32) -> Result<Vec<(&'static str, Scene)>, Error> {
    let told = |label: &str, first: [u32; 4], infos: [&str; 2]| -> Result<Scene, Error> {
        let [x0, y0, x1, y1] = first;
        Ok(rcmu::scene(picture(84, 56, seed)?)?
            .region(label, PixelBox::new(x0, y0, x1, y1)?, infos[0])?
            .region("dog", PixelBox::new(40, 10, 80, 56)?, infos[1])?)
    };
    let (at, copper, bella) = ([4, 4, 30, 50], "Made of copper in the harbor.", "Bella. Two years old.");
    let added = told("lantern", at, [copper, bella])?.region("bird", BBox::new(1, 2, 300, 400)?, "Sings.")?;
    Ok(vec![
        ("as it was", scene(seed)?),
        ("the second text, longer", told("lantern", at, [copper, "Bella. Two years old, fond of water."])?),
        ("the second text, shorter", told("lantern", at, [copper, "Bella."])?),
        ("the second text, another", told("lantern", at, [copper, "A guard of the harbor."])?),
        ("the first text", told("lantern", at, ["Made of brass.", bella])?),
        ("a label", told("lamp", at, [copper, bella])?),
        ("a box", told("lantern", [8, 4, 30, 50], [copper, bella])?),
        ("a region more", added),
    ])
}

#[test]
fn a_second_question_reuses_the_picture_and_the_context_and_answers_as_if_fresh() -> TestResult {
    let model = load("tiny_bf16")?;
    let scene = scene(2)?;
    let mut session = model.model().session();
    let first = request(&scene, "What is shown?", GenerateOptions::greedy(6))?;
    let second = request(&scene, "Who is it?", GenerateOptions::greedy(6))?;

    session.generate(&first, &Control::default(), &mut |_| {})?;
    let reused = session.generate(&second, &Control::default(), &mut |_| {})?;

    assert_eq!(reused.stats.reused_pictures, 1);
    assert!(reused.stats.reused_tokens > reused.stats.image_tokens);
    assert!(reused.stats.reused_tokens < reused.stats.prompt_tokens);
    assert_eq!(reused.token_ids, generate(&model, &second)?.1);
    Ok(())
}

#[test]
fn another_picture_never_hits() -> TestResult {
    let model = load("tiny_bf16")?;
    let mut session = model.model().session();
    let ask = |seed| -> Result<Request, Error> {
        let scene = rcmu::scene(picture(84, 56, seed)?)?;
        request(&scene, "What is shown?", GenerateOptions::greedy(6))
    };

    session.generate(&ask(3)?, &Control::default(), &mut |_| {})?;
    let other = session.generate(&ask(4)?, &Control::default(), &mut |_| {})?;

    assert_eq!(other.stats.reused_pictures, 0);
    // The words before the picture are the same and may be reused; the picture's tokens may not.
    assert!(other.stats.reused_tokens < other.stats.prompt_tokens - other.stats.image_tokens);
    assert_eq!(other.token_ids, generate(&model, &ask(4)?)?.1);

    // Back to the first: its features are still there, its keys and values are not.
    let back = session.generate(&ask(3)?, &Control::default(), &mut |_| {})?;
    assert_eq!(back.stats.reused_pictures, 1);
    assert_eq!(back.token_ids, generate(&model, &ask(3)?)?.1);
    Ok(())
}

#[test]
fn the_same_pixels_in_another_size_never_hit() -> TestResult {
    let model = load("tiny_bf16")?;
    let mut session = model.model().session();
    let pixels: std::sync::Arc<[u8]> = (0..56 * 112 * 3).map(|i| (i % 251) as u8).collect();
    let ask = |width, height| -> Result<Request, Error> {
        let picture = Picture::Rgb { size: ImageSize::new(width, height)?, pixels: pixels.clone() };
        request(&rcmu::scene(picture)?, "What is shown?", GenerateOptions::greedy(4))
    };

    session.generate(&ask(56, 112)?, &Control::default(), &mut |_| {})?;
    let turned = session.generate(&ask(112, 56)?, &Control::default(), &mut |_| {})?;

    assert_eq!(turned.stats.reused_pictures, 0);
    assert_eq!(turned.token_ids, generate(&model, &ask(112, 56)?)?.1);
    Ok(())
}

#[test]
fn a_memory_budget_is_checked_before_anything_runs() -> TestResult {
    let request = request(&scene(0)?, "What is shown?", GenerateOptions::greedy(4))?;
    let needed = load("tiny_bf16")?.model().plan(&request)?.total_bytes();

    assert!(generate(&with_budget(needed)?, &request).is_ok());
    let model = with_budget(needed - 1)?;
    let error = refusal(model.model().generate(&request, &Control::default(), &mut |_| {}));

    assert!(matches!(error, rcmu::model::Error::MemoryBudget { .. }), "{error}");
    Ok(())
}

#[test]
fn an_edited_scene_reads_what_follows_the_edit_and_is_answered_as_if_fresh() -> TestResult {
    let model = load("tiny_bf16")?;
    let scenes = edited(5)?;
    let requests = scenes.iter().map(|(_, scene)| request(scene, "Who is it?", GenerateOptions::greedy(6)));
    let requests = requests.collect::<Result<Vec<_>, _>>()?;
    let prompts = requests.iter().map(|request| model.model().encode(&request.prompt, &request.visuals));
    let prompts = prompts.map(|made| made.map(|made| made.input_ids)).collect::<Result<Vec<_>, _>>()?;
    let fresh = requests.iter().map(|request| generate(&model, request)).collect::<Result<Vec<_>, _>>()?;
    let mut session = model.model().session();
    session.generate(&requests[0], &Control::default(), &mut |_| {})?;

    for (at, (edit, _)) in scenes.iter().enumerate().skip(1) {
        // There, and back again.
        for (from, to) in [(0, at), (at, 0)] {
            let made = session.generate(&requests[to], &Control::default(), &mut |_| {})?;

            let common = prompts[from].iter().zip(&prompts[to]).take_while(|(one, other)| one == other);
            assert_eq!((&made.text, &made.token_ids), (&fresh[to].0, &fresh[to].1), "{edit}");
            assert_eq!(made.stats.reused_tokens, common.count(), "{edit}");
            assert!(made.stats.reused_tokens > made.stats.image_tokens, "{edit}");
            assert_eq!(made.stats.reused_pictures, 1, "{edit}");
        }
    }
    Ok(())
}

#[test]
fn a_chat_goes_on_about_an_edited_scene() -> TestResult {
    let model = load("tiny_bf16")?;
    let [(_, before), (_, after), ..] = <[_; 8]>::try_from(edited(6)?).map_err(|_| "eight scenes")?;
    let ask = |chat: &mut rcmu::Chat, text: &str| -> Result<Answer, Box<dyn std::error::Error>> {
        let question = Question::new(text)?;
        Ok(chat.ask_with(&question, GenerateOptions::greedy(6), &Control::default(), &mut |_| {})?)
    };
    let mut chat = model.chat(before);
    let first = ask(&mut chat, "What is shown?")?;

    chat.set_scene(after.clone());
    let edited = ask(&mut chat, "Who is it?")?;

    let turns = [(Question::new("What is shown?")?, first.text)];
    assert_eq!(chat.stats().reused_pictures, 1);
    assert!(chat.stats().reused_tokens > chat.stats().image_tokens);
    assert_eq!(edited, ask(&mut model.chat(after.clone()).with_turns(turns), "Who is it?")?);
    assert_eq!(chat.scene(), &after);
    Ok(())
}

#[test]
fn what_is_given_back_is_read_anew() -> TestResult {
    let model = load("tiny_bf16")?;
    let request = request(&scene(7)?, "What is shown?", GenerateOptions::greedy(6))?;
    let plan = model.model().plan(&request)?;
    let mut session = model.model().session();
    assert_eq!(session.held_bytes(), 0);

    let first = session.generate(&request, &Control::default(), &mut |_| {})?;
    assert!(session.held_bytes() > plan.kv_bytes, "the features of the picture are there, too");
    session.clear();

    assert_eq!((session.held_bytes(), session.cached_tokens()), (0, 0));
    let again = session.generate(&request, &Control::default(), &mut |_| {})?;
    assert_eq!((again.stats.reused_tokens, again.stats.reused_pictures), (0, 0));
    assert_eq!(again.token_ids, first.token_ids);
    Ok(())
}

#[test]
fn what_was_kept_makes_room_for_a_request_that_would_not_fit_beside_it() -> TestResult {
    let large = rcmu::scene(picture(280, 280, 9)?)?;
    let long = request(&scene(8)?, &"Who is it? ".repeat(60), GenerateOptions::greedy(4))?;
    let short = request(&large, "What is shown?", GenerateOptions::greedy(4))?;
    let free = on_cpu(None)?;
    let (long_plan, short_plan) = (free.model().plan(&long)?, free.model().plan(&short)?);
    let features = |tokens: usize| (tokens * free.model().config().text.hidden_size * 4) as u64;
    let [kept, new] = [&long_plan, &short_plan].map(|plan| features(plan.image_tokens));
    // The short request beside the cache that the long one leaves.
    let beside = short_plan.total_bytes() - short_plan.kv_bytes + long_plan.kv_bytes;
    assert!(beside - 1 > long_plan.total_bytes() && long_plan.kv_bytes > short_plan.kv_bytes);

    for (budget, expected) in [
        (beside + kept, long_plan.kv_bytes + kept + new),
        (beside + kept - 1, long_plan.kv_bytes + new),
        (beside, long_plan.kv_bytes + new),
        (beside - 1, short_plan.kv_bytes + new),
    ] {
        let model = on_cpu(Some(budget))?;
        let mut session = model.model().session();
        session.generate(&long, &Control::default(), &mut |_| {})?;
        assert_eq!(session.held_bytes(), long_plan.kv_bytes + kept);

        let made = session.generate(&short, &Control::default(), &mut |_| {})?;

        assert_eq!(session.held_bytes(), expected, "{budget}");
        assert_eq!(made.token_ids, generate(&model, &short)?.1);
    }
    Ok(())
}

#[test]
fn a_batch_in_a_used_session_gives_back_what_would_not_fit_beside_it() -> TestResult {
    let large = rcmu::scene(picture(280, 280, 9)?)?;
    let long = request(&scene(8)?, &"Who is it? ".repeat(60), GenerateOptions::greedy(4))?;
    let short = request(&large, "What is shown?", GenerateOptions::greedy(4))?;
    let free = on_cpu(None)?;
    let (long_plan, short_plan) = (free.model().plan(&long)?, free.model().plan(&short)?);
    let batch = [short.clone(), short];
    let refused = on_cpu(Some(short_plan.total_bytes()))?;
    let refused = refusal(refused.model().generate_batch(&batch, &Control::default()));
    let rcmu::model::Error::MemoryBudget { needed, .. } = refused else { panic!("{refused}") };
    assert!(needed > long_plan.total_bytes() && long_plan.kv_bytes > short_plan.kv_bytes);

    for (budget, fits) in [(needed, false), (needed + long_plan.total_bytes(), true)] {
        let model = on_cpu(Some(budget))?;
        let mut session = model.model().session();
        session.generate(&long, &Control::default(), &mut |_| {})?;

        let made = session.generate_batch(&batch, &Control::default())?;

        let alone = generate(&free, &batch[0])?.1;
        assert!(made.iter().all(|made| made.token_ids == alone));
        assert_eq!(session.held_bytes() > long_plan.kv_bytes, fits, "{budget}");
    }
    Ok(())
}

#[test]
fn weights_over_the_budget_are_refused_before_one_is_read() -> TestResult {
    let bytes = load("tiny_bf16")?.model().weight_bytes();
    let load = |budget| {
        let (mut options, mut tensors) = (options()?, 0);
        options.model.memory_budget = Some(budget);
        let dir = fixture("tiny_bf16").to_string_lossy().into_owned();
        let made = Rcmu::load_with_progress(&dir, &options, &mut |_| tensors += 1);
        Ok::<_, Error>((made, tensors))
    };

    let (fits, _) = load(bytes)?;
    let (refused, tensors) = load(bytes - 1)?;

    assert!(fits.is_ok());
    let Err(Error::Model(rcmu::model::Error::MemoryBudget { needed, budget })) = refused else {
        panic!("expected a refusal, found {refused:?}")
    };
    assert_eq!((needed, budget, tensors), (bytes, bytes - 1, 0));
    Ok(())
}
