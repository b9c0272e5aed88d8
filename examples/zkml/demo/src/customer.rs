//! Whoever asks: over the page's own routes, or as a person with a browser.

use crate::{
    drawing::{Stroke, draw, image},
    parties::Application,
};
use digit_core::{Image, classify};
use rand::{Rng, rngs::StdRng};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};
use zkpool_demo::{
    actors::Scenery,
    browser::Browser,
    error::{Attempt, DemoError, Result},
    process::Process,
};

/// Longest that a price may take: the program is run, and cut into segments of several sizes.
const PRICED: Duration = Duration::from_secs(300);

/// Digits as they were drawn.
pub struct Drawn {
    /// What was meant.
    pub digits: Vec<u8>,
    strokes: Vec<Vec<Stroke>>,
}

impl Drawn {
    /// `count` digits by chance.
    pub fn afresh(count: usize, rng: &mut StdRng) -> Self {
        let digits: Vec<u8> = (0..count).map(|_| rng.gen_range(0..10)).collect();
        let strokes = digits.iter().map(|digit| draw(*digit, rng)).collect();
        Self { digits, strokes }
    }

    /// As the network sees them.
    pub fn images(&self) -> Vec<Image> {
        self.strokes.iter().map(|strokes| image(strokes)).collect()
    }

    /// What the network makes of them, computed here.
    pub fn classes(&self) -> Vec<u8> {
        self.images().iter().map(classify).collect()
    }
}

/// The question and its end, as the page tells of it.
pub struct Asked {
    /// The last view.
    pub view: Value,
    /// From *prove* to the answer.
    pub seconds: f64,
}

impl Application {
    /// Asks over the page's routes; what happens goes to the timeline, and every view of it to `watch`. At most `bound`.
    pub async fn ask(
        &mut self,
        scenery: &Scenery,
        drawn: &Drawn,
        bound: Duration,
        others: &mut [&mut Process],
        watch: &mut dyn FnMut(&Value),
    ) -> Result<Asked> {
        let images: Vec<Vec<u8>> = drawn.images().iter().map(|image| image.to_vec()).collect();
        let priced = post(scenery, &format!("{}/api/questions", self.url), json!({ "images": images })).await?;
        tell_offer(scenery, &priced);
        let question = format!("{}/api/questions/{}", self.url, priced["id"]);
        post(scenery, &format!("{question}/prove"), json!({})).await?;
        let start = Instant::now();
        let mut told = Told::default();
        let mut processes: Vec<&mut Process> = others.iter_mut().map(|process| &mut **process).collect();
        processes.push(&mut self.process);
        let look = async || {
            let view: Value = scenery.get(&question).await?.json().await.ok()?;
            told.news(scenery, &view);
            watch(&view);
            (view["ended"] == true).then_some(view)
        };
        let view = scenery.wait("the answer", bound, &mut processes, look).await?;
        Ok(Asked { view, seconds: start.elapsed().as_secs_f64() })
    }

    /// Asks as a person would: draws on the page, reads the price, presses *prove*, waits for the answer to show. The
    /// last view is read from the page's routes afterwards; what the page showed must be the same.
    pub async fn ask_in_browser(
        &mut self,
        scenery: &Scenery,
        drawn: &Drawn,
        bound: Duration,
        dir: &Path,
    ) -> Result<Asked> {
        let mut browser = Browser::open(dir).await?;
        browser.go(&self.url).await?;
        for (at, strokes) in drawn.strokes.iter().enumerate() {
            browser.draw("#pad", strokes).await?;
            if at + 1 < drawn.strokes.len() {
                browser.click("#add").await?;
            }
        }
        browser.click("#ask").await?;
        let price = browser.wait("the price", PRICED, async |page| shown(page, "#price").await).await?;
        let deadline = browser.text("#deadline").await?;
        scenery.timeline.say("page", format!("shows a price of {price}, ready within {deadline}"));
        browser.click("#prove").await?;
        let start = Instant::now();
        let mut most = 0;
        let classes = browser
            .wait("the answer on the page", bound, async |page| {
                let lit = page.count(".job.leased").await?;
                if lit > most {
                    most = lit;
                    scenery.timeline.say("page", format!("{lit} steps of the proof are lit"));
                }
                shown(page, "#classes").await
            })
            .await?;
        let seconds = start.elapsed().as_secs_f64();
        scenery.timeline.say("page", format!("shows the answer: {classes}"));
        let complaints = browser.complaints().await?;
        if !complaints.is_empty() {
            return Err(DemoError::new("using the page", complaints.join("\n")));
        }
        if most == 0 {
            return Err(DemoError::new("watching the page", "no step of the proof was ever lit"));
        }
        browser.close().await?;
        // The oracle's first question.
        let url = format!("{}/api/questions/0", self.url);
        let what = "reading the question";
        let view: Value = scenery.get(&url).await.attempt(what)?.json().await.attempt(what)?;
        let told: Vec<String> =
            view["delivery"]["classes"].as_array().into_iter().flatten().map(Value::to_string).collect();
        if told.join(" ") != classes {
            return Err(DemoError::new("reading the page", format!("it shows {classes}, its server says {told:?}")));
        }
        Ok(Asked { view, seconds })
    }
}

/// The text of an element, once there is one.
async fn shown(page: &Browser, selector: &str) -> Result<Option<String>> {
    let trouble = page.text("#trouble").await?;
    if !trouble.is_empty() {
        return Err(DemoError::new("using the page", trouble));
    }
    Ok(Some(page.text(selector).await?).filter(|text| !text.is_empty()))
}

async fn post(scenery: &Scenery, url: &str, body: Value) -> Result<Value> {
    let what = format!("POST {url}");
    let answer = scenery.http.post(url).timeout(PRICED).json(&body).send().await.attempt(&what)?;
    let status = answer.status();
    let value: Value = answer.json().await.attempt(&what)?;
    if status.is_success() {
        return Ok(value);
    }
    Err(DemoError::new(what, value["message"].as_str().unwrap_or("no reason was given")))
}

fn tell_offer(scenery: &Scenery, view: &Value) {
    let offer = &view["offer"];
    let (price, token) = (offer["price"].as_str().unwrap_or("?"), offer["token"].as_str().unwrap_or("?"));
    let text = format!("question {}: {price} {token}, ready within {} s", view["question"], offer["seconds"]);
    scenery.timeline.say("page", text);
}

/// What the timeline has said of a question already.
#[derive(Default)]
struct Told {
    stage: String,
    jobs: BTreeMap<u64, String>,
}

impl Told {
    fn news(&mut self, scenery: &Scenery, view: &Value) {
        let stage = view["stage"].as_str().unwrap_or_default();
        if stage != self.stage {
            self.stage = stage.to_owned();
            scenery.timeline.say("page", stage);
        }
        for job in view["jobs"].as_array().into_iter().flatten() {
            let index = job["index"].as_u64().unwrap_or_default();
            let state = job["state"].as_str().unwrap_or_default();
            if !matches!(state, "leased" | "done") || self.jobs.get(&index).is_some_and(|told| told == state) {
                continue;
            }
            self.jobs.insert(index, state.to_owned());
            let who = job["prover"].as_str().map_or("service".to_owned(), |prover| prover.chars().take(10).collect());
            scenery.timeline.say(&who, format!("step {index}, {}: {state}", job["operation"].as_str().unwrap_or("?")));
        }
    }
}
