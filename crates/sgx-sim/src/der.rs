//! As much of DER as Intel's certificate extension takes.

/// One value: tag, length, content.
fn value(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let mut bytes = vec![tag];
    match u8::try_from(length) {
        Ok(short @ 0..=127) => bytes.push(short),
        Ok(long) => bytes.extend([0x81, long]),
        Err(_) => {
            bytes.push(0x82);
            bytes.extend((length as u16).to_be_bytes());
        }
    }
    bytes.extend(content);
    bytes
}

/// A SEQUENCE of parts that are encoded already.
pub(crate) fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    value(0x30, &parts.concat())
}

/// An OCTET STRING.
pub(crate) fn octets(bytes: &[u8]) -> Vec<u8> {
    value(0x04, bytes)
}

/// A BOOLEAN.
pub(crate) fn boolean(is: bool) -> Vec<u8> {
    value(0x01, &[if is { 0xFF } else { 0 }])
}

/// An ENUMERATED.
pub(crate) fn enumerated(number: u8) -> Vec<u8> {
    value(0x0A, &[number])
}

/// An INTEGER.
pub(crate) fn integer(number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    match (high, low) {
        (0, 0..=0x7F) => value(0x02, &[low]),
        (0..=0x7F, _) => value(0x02, &[high, low]),
        _ => value(0x02, &[0, high, low]),
    }
}

/// What an entry of Intel's extension is: its number below 1.2.840.113741.1.13.1, then its value.
pub(crate) fn entry(number: &[u8], what: Vec<u8>) -> Vec<u8> {
    let intel = [0x2A, 0x86, 0x48, 0x86, 0xF8, 0x4D, 0x01, 0x0D, 0x01];
    sequence(&[value(0x06, &[&intel, number].concat()), what])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_and_integers_are_the_shortest() {
        assert_eq!(integer(0), [2, 1, 0]);
        assert_eq!(integer(127), [2, 1, 127]);
        assert_eq!(integer(128), [2, 2, 0, 128]);
        assert_eq!(integer(0x1234), [2, 2, 0x12, 0x34]);
        assert_eq!(integer(0xFFFF), [2, 3, 0, 0xFF, 0xFF]);
        assert_eq!(octets(&[7; 127])[..2], [4, 127]);
        assert_eq!(octets(&[7; 128])[..3], [4, 0x81, 128]);
        assert_eq!(octets(&[7; 256])[..4], [4, 0x82, 1, 0]);
    }
}
