//! Raw bytes to blocks of decompressed bytes, as far as they can be read.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flate2::{Decompress, FlushDecompress, Status};
use tokio::sync::mpsc;
use zstd::stream::raw::{InBuffer, Operation, OutBuffer};

use crate::config::Compression;

/// Bytes of a compressed file that are read at once.
const FILE_READ_BYTES: usize = 256 * 1024;

/// Where an object's bytes come from.
pub(crate) enum Origin {
    File(std::fs::File),
    Stream(mpsc::Receiver<Result<Bytes, object_store::Error>>),
}

/// An object's bytes, counted.
pub(crate) struct Input {
    origin: Origin,
    /// Bytes still to come: an object that ends before or after them has changed.
    left: u64,
    /// When it was last written: a local file that is written to while it is read has changed, too.
    modified: DateTime<Utc>,
    counter: Arc<AtomicU64>,
}

/// The store failed in the middle of an object.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("reading failed")]
    File(#[from] std::io::Error),
    #[error("reading failed")]
    Store(#[from] object_store::Error),
    #[error("the object is not what it was when it was listed")]
    Changed,
}

/// How the data of an object ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DataEnd {
    Complete,
    /// The rest cannot be decompressed, for this reason.
    Broken(&'static str),
    /// More data than an object may hold: what is within the limit was handed on.
    TooLarge,
    /// Nobody wants more blocks.
    Unwanted,
}

impl Input {
    /// `counter` grows with the bytes that are read.
    pub fn new(origin: Origin, size: u64, modified: DateTime<Utc>, counter: Arc<AtomicU64>) -> Self {
        Self { origin, left: size, modified, counter }
    }

    fn is_written_to(&self) -> Result<bool, std::io::Error> {
        match &self.origin {
            Origin::File(file) => Ok(DateTime::<Utc>::from(file.metadata()?.modified()?) != self.modified),
            Origin::Stream(_) => Ok(false),
        }
    }

    fn next(&mut self) -> Result<Option<Bytes>, InputError> {
        let bytes = match &mut self.origin {
            Origin::File(file) => read_some(file)?,
            Origin::Stream(stream) => stream.blocking_recv().transpose()?,
        };
        match bytes {
            Some(bytes) => {
                self.left = self.left.checked_sub(bytes.len() as u64).ok_or(InputError::Changed)?;
                self.counter.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                Ok(Some(bytes))
            }
            None if self.left > 0 || self.is_written_to()? => Err(InputError::Changed),
            None => Ok(None),
        }
    }
}

fn read_some(file: &mut std::fs::File) -> Result<Option<Bytes>, std::io::Error> {
    let mut buffer = vec![0; FILE_READ_BYTES];
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(filled);
    Ok((filled > 0).then(|| buffer.into()))
}

/// Collects output into blocks of one size and hands them on; `false` from `send` means that no more are wanted.
struct Blocks<F> {
    block: Vec<u8>,
    filled: usize,
    size: usize,
    /// Bytes that may still come.
    left: u64,
    /// More came.
    is_over: bool,
    send: F,
}

impl<F: FnMut(Vec<u8>) -> bool> Blocks<F> {
    fn space(&mut self) -> &mut [u8] {
        if self.block.is_empty() {
            self.block = vec![0; self.size];
        }
        &mut self.block[self.filled..]
    }

    /// Notes that bytes were written into `space`; tells whether more are wanted.
    fn advance(&mut self, written: usize) -> bool {
        let taken = written.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        self.left -= taken as u64;
        self.is_over |= taken < written;
        self.filled += taken;
        (self.filled < self.size || self.flush()) && !self.is_over
    }

    fn flush(&mut self) -> bool {
        let mut block = std::mem::take(&mut self.block);
        block.truncate(std::mem::take(&mut self.filled));
        block.is_empty() || (self.send)(block)
    }
}

/// Decompresses an object block by block, as far as `limit`. Blocks are full but for the last, so they do not depend on how
/// bytes arrive.
pub(crate) fn decompress(
    mut input: Input,
    compression: Compression,
    block_bytes: usize,
    limit: u64,
    send: impl FnMut(Vec<u8>) -> bool,
) -> Result<DataEnd, InputError> {
    let mut blocks =
        Blocks { block: Vec::new(), filled: 0, size: block_bytes.max(1), left: limit, is_over: false, send };
    let end = match compression {
        Compression::None => plain(&mut input, &mut blocks)?,
        Compression::Gzip => gzip(&mut input, &mut blocks)?,
        Compression::Zstd => zstd(&mut input, &mut blocks)?,
    };
    // What was decompressed before the data broke is good.
    if blocks.is_over {
        return Ok(if blocks.flush() { DataEnd::TooLarge } else { DataEnd::Unwanted });
    }
    if end == DataEnd::Unwanted || !blocks.flush() {
        return Ok(DataEnd::Unwanted);
    }
    Ok(end)
}

fn plain(input: &mut Input, blocks: &mut Blocks<impl FnMut(Vec<u8>) -> bool>) -> Result<DataEnd, InputError> {
    while let Some(bytes) = input.next()? {
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let space = blocks.space();
            let (now, later) = rest.split_at(rest.len().min(space.len()));
            space[..now.len()].copy_from_slice(now);
            rest = later;
            if !blocks.advance(now.len()) {
                return Ok(DataEnd::Unwanted);
            }
        }
    }
    Ok(DataEnd::Complete)
}

/// Reads one or more gzip members; zeros between and after them are padding.
fn gzip(input: &mut Input, blocks: &mut Blocks<impl FnMut(Vec<u8>) -> bool>) -> Result<DataEnd, InputError> {
    const WINDOW_BITS: u8 = 15;
    let mut inflate = Decompress::new_gzip(WINDOW_BITS);
    let (mut members, mut is_inside) = (0_u64, false);
    while let Some(bytes) = input.next()? {
        let mut rest = &bytes[..];
        loop {
            if !is_inside {
                let padding = if members > 0 { rest.iter().take_while(|byte| **byte == 0).count() } else { 0 };
                rest = &rest[padding..];
                if rest.is_empty() {
                    break;
                }
                if members > 0 {
                    inflate.reset(true);
                }
                is_inside = true;
            }
            let (in_before, out_before) = (inflate.total_in(), inflate.total_out());
            let status = inflate.decompress(rest, blocks.space(), FlushDecompress::None);
            let read = (inflate.total_in() - in_before) as usize;
            let written = (inflate.total_out() - out_before) as usize;
            rest = &rest[read.min(rest.len())..];
            if !blocks.advance(written) {
                return Ok(DataEnd::Unwanted);
            }
            match status {
                Err(_) if members > 0 && inflate.total_out() == 0 => {
                    return Ok(DataEnd::Broken("what follows the gzip data is not gzip data"));
                }
                Err(_) => return Ok(DataEnd::Broken("the gzip data is damaged")),
                Ok(Status::StreamEnd) => {
                    members += 1;
                    is_inside = false;
                }
                // No progress: all input is used up and all output is out.
                Ok(Status::Ok | Status::BufError) if read == 0 && written == 0 => break,
                Ok(Status::Ok | Status::BufError) => {}
            }
        }
    }
    Ok(if is_inside { DataEnd::Broken("the gzip data ends in the middle") } else { DataEnd::Complete })
}

/// Reads one or more zstd frames.
///
/// The decoder says nothing of what it wrote in the call that finds damage. So it gets new bytes only when all that it had
/// is out, and the last bytes of a block one by one: how much of damaged data is landed may not depend on how it arrives.
fn zstd(input: &mut Input, blocks: &mut Blocks<impl FnMut(Vec<u8>) -> bool>) -> Result<DataEnd, InputError> {
    // The hint counts, besides the rest of a block, the header of the next one; one byte more is left for the end.
    const LEFT_FOR_THE_END: usize = 4;
    let mut decoder = zstd::stream::raw::Decoder::new()?;
    let (mut is_inside, mut is_full, mut wanted) = (false, false, 1);
    while let Some(bytes) = input.next()? {
        let mut read = 0;
        while is_full || read < bytes.len() {
            let space = blocks.space();
            let room = space.len();
            let mut target = OutBuffer::around(space);
            let shown = if is_full { read } else { bytes.len().min(read + wanted) };
            let mut source = InBuffer::around(&bytes[read..shown]);
            let outcome = decoder.run(&mut source, &mut target);
            let (taken, written) = (source.pos(), target.pos());
            read += taken;
            if !blocks.advance(written) {
                return Ok(DataEnd::Unwanted);
            }
            let Ok(hint) = outcome else { return Ok(DataEnd::Broken("the zstd data is damaged")) };
            if taken == 0 && written == 0 && !is_full {
                return Ok(DataEnd::Broken("the zstd data is damaged"));
            }
            if taken > 0 || written > 0 {
                is_inside = hint != 0;
            }
            is_full = written == room;
            wanted = hint.saturating_sub(LEFT_FOR_THE_END).max(1);
        }
    }
    Ok(if is_inside { DataEnd::Broken("the zstd data ends in the middle") } else { DataEnd::Complete })
}
