use std::{collections::HashSet, io, thread, time::Duration};

use serde::Deserialize;
use ureq::{
    Agent, Body, Error,
    http::{HeaderMap, Response, Uri, header},
    tls::{RootCerts, TlsConfig},
};

use super::{HubError, HubOptions, Repo, repo};

/// Hops of one request.
const MAX_REDIRECTS: usize = 5;
/// Largest listing of a repository, in bytes.
const MAX_LISTING: u64 = 8 << 20;
/// Longest wait between two attempts, whatever the hub asks for.
const MAX_WAIT: Duration = Duration::from_secs(30);

/// A failed attempt, and whether another one may do better.
#[derive(Debug)]
pub(super) struct Failure {
    error: HubError,
    passing: bool,
    wait: Option<Duration>,
}

impl Failure {
    /// A failure that may pass.
    pub(super) fn passing(error: HubError) -> Self {
        Self { error, passing: true, wait: None }
    }
}

impl From<HubError> for Failure {
    fn from(error: HubError) -> Self {
        Self { error, passing: false, wait: None }
    }
}

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    /// The headers, as far as the hub itself knows them.
    Head,
    /// The body from this byte on.
    Body(u64),
}

/// A commit and the names of its files.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) commit: String,
    pub(super) names: HashSet<String>,
}

#[derive(Deserialize)]
struct PublishedListing {
    sha: String,
    siblings: Vec<PublishedFile>,
}

#[derive(Deserialize)]
struct PublishedFile {
    rfilename: String,
}

/// Asks the hub, follows its redirects, and tries again what failed in passing.
#[derive(Debug)]
pub(super) struct Client<'a> {
    agent: Agent,
    pub(super) options: &'a HubOptions,
    endpoint: String,
}

impl<'a> Client<'a> {
    pub(super) fn new(options: &'a HubOptions) -> Result<Self, HubError> {
        let endpoint = options.endpoint.trim_end_matches('/');
        let bad = |problem| {
            // Neither a query nor a user and password, if someone has put them there.
            let shown = without_query(endpoint.rsplit('@').next().unwrap_or_default());
            HubError::Endpoint { endpoint: shown, problem }
        };
        let uri = parse(endpoint).ok_or_else(|| bad("expected http://host or https://host"))?;
        if uri.query().is_some() {
            return Err(bad("an address of a hub has no query"));
        }
        let here = matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]"));
        if let Some(token) = &options.token {
            if token.reveal().is_empty() || !token.reveal().bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(HubError::Token);
            }
            if uri.scheme_str() != Some("https") && !here {
                return Err(bad("a token is sent over https only"));
            }
        }
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // Followed by hand: the token must not leave the hub, and the hub's own headers are needed.
            .max_redirects(0)
            .max_redirects_will_error(false)
            // The system's certificates, so that a company's own authority is known too.
            .tls_config(TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build())
            .user_agent(concat!("rcmu/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(options.timeout))
            .timeout_resolve(Some(options.timeout))
            .timeout_recv_response(Some(options.timeout))
            .timeout_per_read(Some(options.timeout))
            .timeout_per_write(Some(options.timeout));
        if here {
            config = config.proxy(None);
        }
        Ok(Self { agent: config.build().new_agent(), options, endpoint: endpoint.to_owned() })
    }

    /// The commit of the revision, and its files.
    pub(super) fn listing(&self, repo: &Repo) -> Result<Listing, HubError> {
        let url = format!("{}/api/models/{}/revision/{}", self.endpoint, repo.id(), repo.revision_in_url());
        let text = self.retry(|| {
            let (_, response) = self.ask(&url, Ask::Body(0))?;
            let body = response.into_body().into_with_config().limit(MAX_LISTING).read_to_string();
            body.map_err(|error| failure(&url, error))
        })?;
        let bad = |problem: String| HubError::Response { url: url.clone(), problem };
        let listing: PublishedListing =
            serde_json::from_str(&text).map_err(|error| bad(format!("not a listing: {error}")))?;
        if !repo::is_commit(&listing.sha) || repo.is_pinned() && listing.sha != repo.revision() {
            return Err(bad(format!("found the commit {:?} for {:?}", listing.sha, repo.revision())));
        }
        let names = listing.siblings.into_iter().map(|file| file.rfilename).collect();
        Ok(Listing { commit: listing.sha, names })
    }

    /// The address of a file.
    pub(super) fn file_url(&self, repo: &Repo, commit: &str, file: &str) -> String {
        format!("{}/{}/resolve/{commit}/{file}", self.endpoint, repo.id())
    }

    /// Does something again while it fails in passing, a limited number of times.
    pub(super) fn retry<T>(&self, mut attempt: impl FnMut() -> Result<T, Failure>) -> Result<T, HubError> {
        let mut wait = self.options.backoff;
        for _ in 0..self.options.retries {
            match attempt() {
                Err(failure) if failure.passing => {
                    thread::sleep(failure.wait.unwrap_or(wait).min(MAX_WAIT));
                    wait = wait.saturating_mul(2);
                }
                other => return other.map_err(|failure| failure.error),
            }
        }
        attempt().map_err(|failure| failure.error)
    }

    /// Sends one request and follows its redirects; gives the headers of every hop, and the last answer.
    ///
    /// A redirect with an `X-Linked-ETag` already says all about the file, so [`Ask::Head`] stops there.
    pub(super) fn ask(&self, url: &str, ask: Ask) -> Result<(Vec<HeaderMap>, Response<Body>), Failure> {
        let mut url = url.to_owned();
        let mut hops = Vec::new();
        for _ in 0..=MAX_REDIRECTS {
            let response = self.send(&url, ask)?;
            let status = response.status();
            hops.push(response.headers().clone());
            if matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308) {
                if ask == Ask::Head && response.headers().contains_key("x-linked-etag") {
                    return Ok((hops, response));
                }
                url = next_url(&url, response.headers())?;
            } else if status.is_success() {
                return Ok((hops, response));
            } else {
                return Err(status_failure(&url, &response));
            }
        }
        Err(HubError::Response { url: without_query(&url), problem: "too many redirects".to_owned() }.into())
    }

    fn send(&self, url: &str, ask: Ask) -> Result<Response<Body>, Failure> {
        let mut request = match ask {
            Ask::Head => self.agent.head(url),
            Ask::Body(_) => self.agent.get(url),
        }
        // Lengths and ranges count the bytes of the file itself.
        .header(header::ACCEPT_ENCODING, "identity");
        if let Ask::Body(from @ 1..) = ask {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        if let Some(token) = &self.options.token
            && same_origin(url, &self.endpoint)
        {
            request = request.header(header::AUTHORIZATION, format!("Bearer {}", token.reveal()));
        }
        request.call().map_err(|error| failure(url, error))
    }
}

/// The address that a redirect leads to.
fn next_url(url: &str, headers: &HeaderMap) -> Result<String, HubError> {
    let bad = |problem: &str| HubError::Response { url: without_query(url), problem: problem.to_owned() };
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok());
    let location = location.ok_or_else(|| bad("a redirect without an address"))?;
    let uri = parse(url).ok_or_else(|| bad("not an address"))?;
    let (scheme, authority) = (uri.scheme_str().unwrap_or_default(), uri.authority());
    let next = if location.starts_with("//") {
        format!("{scheme}:{location}")
    } else if location.starts_with('/') {
        format!("{scheme}://{}{location}", authority.map_or("", |authority| authority.as_str()))
    } else {
        location.to_owned()
    };
    let next_uri = parse(&next).ok_or_else(|| bad("a redirect to something that is no http address"))?;
    if scheme == "https" && next_uri.scheme_str() != Some("https") {
        return Err(bad("a redirect from https to http"));
    }
    Ok(next)
}

/// An absolute http address without a user in it; blanks and backslashes are refused, as parsers differ there.
fn parse(url: &str) -> Option<Uri> {
    if !url.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
        return None;
    }
    let uri: Uri = url.parse().ok()?;
    let http = matches!(uri.scheme_str(), Some("http" | "https"));
    let plain = uri.authority().is_some_and(|authority| !authority.as_str().contains('@'));
    (http && plain && uri.host().is_some_and(|host| !host.is_empty())).then_some(uri)
}

/// Whether two addresses have the same scheme, host and port.
fn same_origin(a: &str, b: &str) -> bool {
    let origin = |url: &str| {
        let uri = parse(url)?;
        let secure = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
        Some((secure, uri.host()?.to_ascii_lowercase(), port))
    };
    origin(a).is_some_and(|a| origin(b) == Some(a))
}

/// The address as it may be shown: a query can hold a signature.
pub(super) fn without_query(url: &str) -> String {
    url.split(['?', '#']).next().unwrap_or_default().to_owned()
}

fn status_failure(url: &str, response: &Response<Body>) -> Failure {
    let status = response.status().as_u16();
    let seconds =
        response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
    Failure {
        error: HubError::Status { url: without_query(url), status },
        passing: matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
        wait: seconds.map(Duration::from_secs),
    }
}

fn failure(url: &str, error: Error) -> Failure {
    let url = without_query(url);
    let response = |problem: &str| HubError::Response { url: url.clone(), problem: problem.to_owned() };
    let source = match error {
        Error::BodyExceedsLimit(limit) => return response(&format!("more than {limit} bytes")).into(),
        // Their texts hold the whole address.
        Error::BadUri(_) | Error::RequireHttpsOnly(_) => return response("not an address").into(),
        Error::Io(source) => source,
        other => io::Error::other(other.to_string()),
    };
    Failure::passing(HubError::Transport { url, source })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "an unwrap that fails is a test that fails")]
mod tests {
    use super::*;

    fn next(url: &str, location: &str) -> Option<String> {
        let headers = HeaderMap::from_iter([(header::LOCATION, location.parse().unwrap())]);
        next_url(url, &headers).ok()
    }

    #[test]
    fn a_redirect_leads_to_an_absolute_address() {
        let url = "https://hub.example:8443/a/b?c";

        assert_eq!(next(url, "/x/y?z").as_deref(), Some("https://hub.example:8443/x/y?z"));
        assert_eq!(next(url, "//cdn.example/x").as_deref(), Some("https://cdn.example/x"));
        assert_eq!(next(url, "https://cdn.example/x").as_deref(), Some("https://cdn.example/x"));
    }

    #[test]
    fn a_redirect_never_leaves_https() {
        assert_eq!(next("https://hub.example/a", "http://hub.example/a"), None);
        assert!(next("http://hub.example/a", "https://hub.example/a").is_some());
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let hub = "https://hub.example";

        assert!(same_origin("https://HUB.example:443/a?b", hub));
        for other in [
            "http://hub.example",
            "https://hub.example:8443",
            "https://hub.example.evil",
            "https://evil/hub.example",
            "https://hub.example@evil",
            "https://hub.example\\@evil",
            "not an address",
        ] {
            assert!(!same_origin(other, hub), "{other}");
        }
    }
}
