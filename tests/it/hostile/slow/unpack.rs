//! Decompression, one byte at a time.

use flate2::{Decompress, FlushDecompress, Status};
use lifecycle::config::Compression;
use zstd::stream::raw::{InBuffer, Operation, OutBuffer};

/// What an object's bytes are, decompressed as far as that goes, and whether it did not go to the end.
pub fn unpack(bytes: &[u8], compression: Compression) -> (Vec<u8>, bool) {
    match compression {
        Compression::None => (bytes.to_vec(), false),
        Compression::Gzip => gzip(bytes),
        Compression::Zstd => zstd(bytes),
    }
}

fn gzip(bytes: &[u8]) -> (Vec<u8>, bool) {
    let (mut text, mut at, mut members) = (Vec::new(), 0, 0);
    loop {
        // Zeros after a member are padding.
        while members > 0 && bytes.get(at) == Some(&0) {
            at += 1;
        }
        if at == bytes.len() {
            return (text, false);
        }
        let mut member = Decompress::new_gzip(15);
        loop {
            let input = &bytes[at..(at + 1).min(bytes.len())];
            let (before, mut out) = (member.total_in(), [0; 1]);
            let written = member.total_out();
            let status = member.decompress(input, &mut out, FlushDecompress::None);
            at += (member.total_in() - before) as usize;
            if member.total_out() > written {
                text.push(out[0]);
            }
            match status {
                Err(_) => return (text, true),
                Ok(Status::StreamEnd) => break,
                Ok(_) if member.total_in() == before && member.total_out() == written => return (text, true),
                Ok(_) => {}
            }
        }
        members += 1;
    }
}

fn zstd(bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut decoder = zstd::stream::raw::Decoder::new().unwrap();
    let (mut text, mut at, mut is_open) = (Vec::new(), 0, false);
    loop {
        let mut input = InBuffer::around(&bytes[at..(at + 1).min(bytes.len())]);
        let mut out = [0; 1];
        let mut output = OutBuffer::around(&mut out[..]);
        let outcome = decoder.run(&mut input, &mut output);
        let (read, written) = (input.pos(), output.pos());
        at += read;
        text.extend_from_slice(&out[..written]);
        match outcome {
            Err(_) => return (text, true),
            Ok(_) if read == 0 && written == 0 => return (text, is_open || at < bytes.len()),
            Ok(hint) => is_open = hint != 0,
        }
    }
}
