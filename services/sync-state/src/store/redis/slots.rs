//! Which slot of a cluster a shard is in.

/// Slots of every Redis cluster.
const SLOTS: u16 = 16384;

/// The slot of a shard's hash tag.
pub(super) fn of_shard(shard: u32) -> u16 {
    crc16(crate::store::keys::tag(shard).as_bytes()) % SLOTS
}

/// CRC-16/XMODEM, as a cluster counts slots.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc: u16, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
            },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_the_cluster_s() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        let slots: std::collections::BTreeSet<u16> = (0..crate::store::keys::SHARDS).map(of_shard).collect();
        assert_eq!(slots.len(), crate::store::keys::SHARDS as usize, "no two shards share a slot");
    }
}
