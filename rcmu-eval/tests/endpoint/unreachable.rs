//! Endpoints to which no question comes.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
};

use super::{DEADLINE, KEY};

/// Starts an endpoint; gives its address, and counts in the number what of the key comes to it.
type Start = fn(Arc<AtomicUsize>) -> String;

/// Everything that keeps a question from its endpoint, by name.
pub(crate) const UNREACHABLE: [(&str, Start); 7] = [
    ("has a name that nobody knows", |_| "https://no-such-endpoint.invalid/v1".into()),
    ("has nobody listening", |_| {
        // The port of a client: it is taken as long as the client is there, and nobody listens.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let address = format!("http://{}/v1", client.local_addr().unwrap());
        Box::leak(Box::new((listener, client)));
        address
    }),
    ("speaks HTTP where TLS is wanted", |seen| {
        serve(seen, |mut stream| {
            let read = read_some(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad\r\nconnection: close\r\ncontent-length: 0\r\n\r\n");
            let _ = stream.shutdown(Shutdown::Write);
            read
        })
    }),
    ("ends the handshake with an alert", |seen| {
        serve(seen, |mut stream| {
            let read = read_some(&mut stream);
            // A fatal alert: handshake_failure.
            let _ = stream.write_all(&[21, 3, 3, 0, 2, 2, 40]);
            let _ = stream.shutdown(Shutdown::Write);
            read
        })
    }),
    ("hangs up in the handshake", |seen| serve(seen, |mut stream| read_some(&mut stream))),
    ("says nothing in the handshake", |seen| {
        serve(seen, |mut stream| {
            let read = read_some(&mut stream);
            thread::sleep(DEADLINE + Duration::from_secs(1));
            read
        })
    }),
    ("has a certificate that nobody signed", |seen| serve(seen, read_encrypted)),
];

/// Does this with each connection to an address that wants TLS, and counts those that show the key.
fn serve(seen: Arc<AtomicUsize>, talk: fn(TcpStream) -> Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}/v1", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let seen = Arc::clone(&seen);
            thread::spawn(move || {
                if talk(stream.unwrap()).windows(KEY.len()).any(|window| window == KEY.as_bytes()) {
                    seen.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    address
}

fn read_some(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = vec![0; 4096];
    let read = stream.read(&mut bytes).unwrap_or(0);
    bytes.truncate(read);
    bytes
}

/// What comes through TLS from a client that trusts the certificate.
fn read_encrypted(stream: TcpStream) -> Vec<u8> {
    let certificate = CertificateDer::from_slice(include_bytes!("../fixtures/tls/self-signed.der"));
    let key = PrivatePkcs8KeyDer::from(include_bytes!("../fixtures/tls/key.der").as_slice());
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    let connection = ServerConnection::new(Arc::new(config)).unwrap();
    let mut stream = StreamOwned::new(connection, stream);
    let mut bytes = vec![0; 4096];
    let read = stream.read(&mut bytes).unwrap_or(0);
    bytes.truncate(read);
    bytes
}
