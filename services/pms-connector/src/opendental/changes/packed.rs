//! Ascending keys as their differences: one or two bytes a key where keys lie close.

/// Ascending keys.
#[derive(Debug)]
pub(super) struct Packed {
    first: i64,
    steps: Box<[u8]>,
}

impl Packed {
    /// Packs ascending keys.
    pub(super) fn of(keys: &[i64]) -> Self {
        let first = keys.first().copied().unwrap_or_default();
        let mut steps = Vec::with_capacity(keys.len() * 2);
        let mut before = first;
        for &key in keys {
            let mut step = key.wrapping_sub(before).cast_unsigned();
            while step >= 0x80 {
                steps.push((step & 0x7f) as u8 | 0x80);
                step >>= 7;
            }
            steps.push(step as u8);
            before = key;
        }
        Self { first, steps: steps.into() }
    }

    /// The lowest key; 0 when there is none.
    pub(super) fn first(&self) -> i64 {
        self.first
    }

    /// The keys, ascending.
    pub(super) fn keys(&self) -> Vec<i64> {
        let mut keys = Vec::with_capacity(self.steps.len());
        let (mut key, mut step, mut shift) = (self.first, 0_u64, 0);
        for byte in &self.steps {
            step |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                key = key.wrapping_add(step.cast_signed());
                keys.push(key);
                (step, shift) = (0, 0);
            }
        }
        keys
    }
}
