//! A person's browser: headless Chromium, driven by chromedriver over plain HTTP (W3C WebDriver).

use crate::{
    actors::free_address,
    error::{Attempt, DemoError, Result},
    process::Process,
};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::{
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

/// A line drawn without lifting the pen: points, 0 to 1 in both directions, from the top left.
pub type Stroke = Vec<(f64, f64)>;

/// Longest that a command of the browser may take.
const BOUND: Duration = Duration::from_secs(60);
/// W3C's name for the member that holds an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// An open browser window. Dropping it asks chromedriver to end, which ends Chromium with it.
pub struct Browser {
    client: Client,
    session: String,
    driver: Option<Process>,
}

impl Browser {
    /// Starts chromedriver and a window.
    ///
    /// # Errors
    /// If Chromium or chromedriver is not installed, it says how to install them.
    pub async fn open(dir: &Path) -> Result<Self> {
        for (program, package) in [("chromium", "chromium"), ("chromedriver", "chromium-driver")] {
            if !installed(program) {
                let how = format!("{program} is not installed: apt-get install --no-install-recommends {package}");
                return Err(DemoError::new("opening a browser", how));
            }
        }
        let address = free_address()?;
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={}", address.port()));
        let mut driver = Process::start("chromedriver", dir, command).attempt("starting chromedriver")?;
        let what = "opening a browser";
        let client = Client::builder().timeout(BOUND).no_proxy().build().attempt(what)?;
        let root = format!("http://{address}");
        let start = Instant::now();
        while client.get(format!("{root}/status")).send().await.is_err() {
            driver.check().attempt(what)?;
            if start.elapsed() > BOUND {
                return Err(DemoError::new(what, format!("chromedriver does not answer:\n{}", driver.tail())));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let profile = dir.join("chromium");
        // The sandbox needs rights that containers and root do not have; the only page is our own.
        let arguments = json!([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--window-size=900,1400",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            format!("--user-data-dir={}", profile.display()),
        ]);
        let wanted = json!({ "goog:chromeOptions": { "args": arguments }, "goog:loggingPrefs": { "browser": "ALL" } });
        let wanted = json!({ "capabilities": { "alwaysMatch": wanted } });
        let mut browser = Self { client, session: format!("{root}/session"), driver: Some(driver) };
        let opened = command_of(&browser.client, Method::POST, &browser.session, wanted).await?;
        let id = opened["sessionId"].as_str().attempt(what)?;
        browser.session = format!("{root}/session/{id}");
        Ok(browser)
    }

    /// Opens a page.
    pub async fn go(&self, url: &str) -> Result<()> {
        self.post("url", json!({ "url": url })).await.map(drop)
    }

    /// The visible text of the first element that a CSS selector finds.
    pub async fn text(&self, selector: &str) -> Result<String> {
        let element = self.element(selector).await?;
        let text = self.send(Method::GET, &format!("element/{element}/text"), Value::Null).await?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Clicks the first element that a CSS selector finds.
    pub async fn click(&self, selector: &str) -> Result<()> {
        let element = self.element(selector).await?;
        self.post(&format!("element/{element}/click"), json!({})).await.map(drop)
    }

    /// How many elements a CSS selector finds.
    pub async fn count(&self, selector: &str) -> Result<usize> {
        let found = self.post("elements", json!({ "using": "css selector", "value": selector })).await?;
        Ok(found.as_array().map_or(0, Vec::len))
    }

    /// What a script returns.
    pub async fn run(&self, script: &str) -> Result<Value> {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// Errors and warnings that the page has caused since the last look.
    pub async fn complaints(&self) -> Result<Vec<String>> {
        let entries = self.post("se/log", json!({ "type": "browser" })).await?;
        let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
        Ok(entries.iter().filter_map(|entry| entry["message"].as_str()).map(str::to_owned).collect())
    }

    /// Moves the pen over an element, stroke by stroke; points are 0 to 1 in both directions.
    pub async fn draw(&self, selector: &str, strokes: &[Stroke]) -> Result<()> {
        let element = self.element(selector).await?;
        let size = self.send(Method::GET, &format!("element/{element}/rect"), Value::Null).await?;
        let (width, height) = (size["width"].as_f64().unwrap_or_default(), size["height"].as_f64().unwrap_or_default());
        let origin = json!({ ELEMENT: element });
        // From the element's middle.
        let to = |(x, y): (f64, f64)| {
            let (x, y) = (((x - 0.5) * width).round(), ((y - 0.5) * height).round());
            json!({ "type": "pointerMove", "duration": 0, "origin": origin, "x": x as i64, "y": y as i64 })
        };
        let mut actions = Vec::new();
        for stroke in strokes {
            let Some((first, rest)) = stroke.split_first() else { continue };
            actions.push(to(*first));
            actions.push(json!({ "type": "pointerDown", "button": 0 }));
            actions.extend(rest.iter().map(|point| to(*point)));
            actions.push(json!({ "type": "pointerUp", "button": 0 }));
        }
        let pen = json!({
            "type": "pointer", "id": "pen", "parameters": { "pointerType": "mouse" }, "actions": actions
        });
        self.post("actions", json!({ "actions": [pen] })).await.map(drop)
    }

    /// Waits until `check` gives something, looking ten times a second.
    pub async fn wait<T>(
        &mut self,
        what: &str,
        bound: Duration,
        mut check: impl AsyncFnMut(&Self) -> Result<Option<T>>,
    ) -> Result<T> {
        let start = Instant::now();
        loop {
            if let Some(found) = check(self).await? {
                return Ok(found);
            }
            if let Some(driver) = &mut self.driver {
                driver.check().attempt(format!("waiting for {what}"))?;
            }
            if start.elapsed() > bound {
                let shown = self.text("main").await.unwrap_or_default();
                let why = format!("not within {bound:?}; the page shows:\n{shown}");
                return Err(DemoError::new(format!("waiting for {what}"), why));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A picture of the page (PNG, base64).
    pub async fn picture(&self) -> Result<String> {
        let picture = self.send(Method::GET, "screenshot", Value::Null).await?;
        Ok(picture.as_str().unwrap_or_default().to_owned())
    }

    /// Closes the window and ends chromedriver.
    pub async fn close(mut self) -> Result<()> {
        let closed = command_of(&self.client, Method::DELETE, &self.session, Value::Null).await;
        self.end().attempt("stopping chromedriver")?;
        closed.map(drop)
    }

    fn end(&mut self) -> std::io::Result<()> {
        // Killed outright it would leave Chromium behind.
        self.driver.take().map_or(Ok(()), |driver| driver.stop(Duration::from_secs(10)).map(drop))
    }

    async fn element(&self, selector: &str) -> Result<String> {
        let found = self.post("element", json!({ "using": "css selector", "value": selector })).await?;
        found[ELEMENT].as_str().map(str::to_owned).attempt(format!("finding {selector} on the page"))
    }

    async fn post(&self, path: &str, body: Value) -> Result<Value> {
        self.send(Method::POST, path, body).await
    }

    async fn send(&self, method: Method, path: &str, body: Value) -> Result<Value> {
        command_of(&self.client, method, &format!("{}/{path}", self.session), body).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

async fn command_of(client: &Client, method: Method, url: &str, body: Value) -> Result<Value> {
    let path = url.splitn(6, '/').nth(5).unwrap_or("session");
    let what = format!("browser: {method} {path}");
    let mut request = client.request(method, url);
    if !body.is_null() {
        request = request.json(&body);
    }
    let answer: Value = request.send().await.attempt(&what)?.json().await.attempt(&what)?;
    match answer["value"]["error"].as_str() {
        Some(error) => {
            let message = answer["value"]["message"].as_str().unwrap_or_default();
            Err(DemoError::new(what, format!("{error}: {}", message.lines().next().unwrap_or_default())))
        }
        None => Ok(answer["value"].clone()),
    }
}

fn installed(program: &str) -> bool {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&paths).any(|dir| dir.join(program).is_file())
}
