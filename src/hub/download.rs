use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, Write},
    path::Path,
};

use sha2::{Digest, Sha256};
use ureq::http::{HeaderMap, StatusCode, header};

use super::{
    HubError, Progress, Repo,
    cache::RepoCache,
    client::{Ask, Client, Failure, without_query},
    plan, repo,
};

/// Bytes that are read at once, and between two reports.
const CHUNK: usize = 256 << 10;

/// What the hub says about a file.
#[derive(Debug)]
struct Announced {
    /// Names the blob: the SHA-256 of a large file, the Git hash of a small one.
    etag: String,
    /// The SHA-256, if the hub states it.
    sha256: Option<String>,
    size: Option<u64>,
}

/// Brings one file of a commit into the cache, unless it is there.
pub(super) fn file(
    client: &Client<'_>,
    cache: &RepoCache,
    repo: &Repo,
    commit: &str,
    file: &str,
) -> Result<(), HubError> {
    if cache.has(commit, file) {
        return Ok(());
    }
    let url = client.file_url(repo, commit, file);
    let announced = client.retry(|| {
        let (hops, _) = client.ask(&url, Ask::Head)?;
        Ok(announced(&url, file, &hops)?)
    })?;
    let blob = cache.blob(&announced.etag)?;
    if !blob.is_file() {
        Download { client, url, file, announced: &announced }.run(&blob)?;
    }
    cache.link(commit, file, &announced.etag)
}

/// Reads the headers of the hub's answer, before and after its redirects.
fn announced(url: &str, file: &str, hops: &[HeaderMap]) -> Result<Announced, HubError> {
    let first = |name: &str| hops.iter().find_map(|headers| headers.get(name)?.to_str().ok());
    let linked = first("x-linked-etag");
    let etag = linked.or_else(|| first("etag")).unwrap_or_default();
    let etag = etag.trim_start_matches("W/").trim_matches('"').to_owned();
    let bad = |problem: String| HubError::Response { url: without_query(url), problem };
    if !repo::is_plain(&etag) || etag.contains('.') {
        return Err(bad(format!("{etag:?} is not a hash of a file")));
    }
    let length = || hops.last()?.get(header::CONTENT_LENGTH)?.to_str().ok();
    let size = match first("x-linked-size").or_else(|| if linked.is_none() { length() } else { None }) {
        Some(text) => Some(text.parse().map_err(|_| bad(format!("{text:?} is not a size")))?),
        None => None,
    };
    let weights = Path::new(file).extension().is_some_and(|extension| extension == "safetensors");
    if !weights && size.is_some_and(|size| size > plan::MAX_SMALL) {
        return Err(bad(format!("more than {} bytes", plan::MAX_SMALL)));
    }
    let sha256 = linked.is_some().then(|| etag.clone()).filter(|etag| repo::is_hex(etag, 64));
    Ok(Announced { etag, sha256, size })
}

/// One file on its way into the cache.
#[derive(Debug)]
struct Download<'a> {
    client: &'a Client<'a>,
    url: String,
    file: &'a str,
    announced: &'a Announced,
}

impl Download<'_> {
    /// Downloads beside the blob, checks, then renames: a blob that exists is whole.
    fn run(&self, blob: &Path) -> Result<(), HubError> {
        let path = blob.with_added_extension("incomplete");
        let open = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let mut partial = open.map_err(HubError::io(&path))?;
        partial.lock().map_err(HubError::io(&path))?;
        if blob.is_file() {
            // Another program held the lock and has finished the file; what was opened may be a new one.
            let empty = partial.metadata().map_err(HubError::io(&path))?.len() == 0;
            match if empty { fs::remove_file(&path) } else { Ok(()) } {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(HubError::io(path)(error));
                }
                _ => return Ok(()),
            }
        }
        self.client.retry(|| self.attempt(&mut partial, &path))?;
        if let Err(error) = self.check(&mut partial, &path) {
            partial.set_len(0).map_err(HubError::io(&path))?;
            return Err(error);
        }
        partial.sync_all().map_err(HubError::io(&path))?;
        fs::rename(&path, blob).map_err(HubError::io(blob))
    }

    /// Adds what is missing to the file.
    fn attempt(&self, partial: &mut File, path: &Path) -> Result<(), Failure> {
        let io_error = |source| Failure::from(HubError::io(path)(source));
        let size = self.announced.size;
        let mut done = partial.metadata().map_err(io_error)?.len();
        if done > 0 && Some(done) == size {
            return Ok(());
        }
        if size.is_none_or(|size| done > size) {
            partial.set_len(0).map_err(io_error)?;
            done = 0;
        }
        let (hops, response) = self.client.ask(&self.url, Ask::Body(done))?;
        if response.status() == StatusCode::PARTIAL_CONTENT {
            if !hops.last().is_some_and(|headers| starts_at(headers, done)) {
                return Err(self.response("a part of the file that was not asked for").into());
            }
        } else if done > 0 {
            // The whole file, from a server that knows no parts.
            partial.set_len(0).map_err(io_error)?;
            done = 0;
        }
        self.report(done);
        let mut body = response.into_body().into_reader();
        let mut chunk = vec![0; CHUNK];
        loop {
            let count = match body.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(Failure::passing(self.transport(source))),
            };
            done += count as u64;
            if done > size.unwrap_or(plan::MAX_SMALL) {
                partial.set_len(0).map_err(io_error)?;
                return Err(self
                    .corrupt(format!("more than {} bytes", size.unwrap_or(plan::MAX_SMALL)))
                    .into());
            }
            partial.write_all(&chunk[..count]).map_err(io_error)?;
            self.report(done);
        }
        match size {
            Some(size) if done < size => {
                let text = format!("the connection ended after {done} of {size} bytes");
                let source = io::Error::new(io::ErrorKind::UnexpectedEof, text);
                Err(Failure::passing(self.transport(source)))
            }
            _ => Ok(()),
        }
    }

    /// Compares the file with its SHA-256, if the hub states it.
    fn check(&self, partial: &mut File, path: &Path) -> Result<(), HubError> {
        let Some(expected) = &self.announced.sha256 else { return Ok(()) };
        partial.rewind().map_err(HubError::io(path))?;
        let mut hash = Sha256::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            match partial.read(&mut chunk).map_err(HubError::io(path))? {
                0 => break,
                count => hash.update(&chunk[..count]),
            }
        }
        let found = format!("{:x}", hash.finalize());
        if found == *expected {
            return Ok(());
        }
        Err(self.corrupt(format!("SHA-256 is {found}, the hub states {expected}")))
    }

    fn report(&self, bytes_done: u64) {
        if let Some(progress) = &self.client.options.progress {
            progress(Progress { file: self.file, bytes_done, bytes_total: self.announced.size });
        }
    }

    fn corrupt(&self, problem: String) -> HubError {
        HubError::Corrupt { file: self.file.to_owned(), problem }
    }

    fn response(&self, problem: &str) -> HubError {
        HubError::Response { url: without_query(&self.url), problem: problem.to_owned() }
    }

    fn transport(&self, source: io::Error) -> HubError {
        HubError::Transport { url: without_query(&self.url), source }
    }
}

/// Whether a part of a file starts at this byte: `Content-Range: bytes 5-9/10`.
fn starts_at(headers: &HeaderMap, byte: u64) -> bool {
    let range = headers.get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    let start = range.and_then(|range| range.strip_prefix("bytes ")?.split('-').next()?.parse().ok());
    start == Some(byte)
}
