//! Lines of bounded length.

use std::io::{self, BufRead, Read};

/// The most that a request may be, in bytes: an input of [`crate::MAX_INPUT`] in hex, and what is around it.
pub const MAX_LINE: usize = 2 * crate::MAX_INPUT + (4 << 10);

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line, without its end.
    Whole(Vec<u8>),
    /// A line of more than the bound, which has been passed over.
    TooLong,
    /// There are no more.
    End,
}

/// The next line of at most `max` bytes.
pub(crate) fn next(reader: &mut impl BufRead, max: usize) -> io::Result<Line> {
    let mut line = Vec::new();
    reader.by_ref().take(max as u64 + 1).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(Line::End);
    }
    if line.ends_with(b"\n") {
        line.pop();
        return Ok(Line::Whole(line));
    }
    if line.len() <= max {
        // The last line may lack its end.
        return Ok(Line::Whole(line));
    }
    drop(line);
    pass_over(reader)?;
    Ok(Line::TooLong)
}

fn pass_over(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => {
                reader.consume(at + 1);
                return Ok(());
            }
            None => {
                let all = buffer.len();
                reader.consume(all);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::BufReader;

    #[test]
    fn lines_end_where_they_should() {
        let text = b"a\n\n12345678\n123456789\nnext\n1234567890123456789012\nlast";
        for buffer in [1, 2, 7, 64] {
            let mut reader = BufReader::with_capacity(buffer, &text[..]);
            let mut lines = Vec::new();
            loop {
                match next(&mut reader, 8).unwrap() {
                    Line::End => break,
                    line => lines.push(line),
                }
            }
            let whole = |text: &str| Line::Whole(text.into());
            let expected =
                [whole("a"), whole(""), whole("12345678"), Line::TooLong, whole("next"), Line::TooLong, whole("last")];
            assert_eq!(lines, expected);
        }
        assert_eq!(next(&mut &b"123456789"[..], 8).unwrap(), Line::TooLong);
    }
}
