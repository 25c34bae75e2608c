//! How messages become bytes: as prost has it, with buffers of the size of most calls.
//!
//! A call allocates one buffer for its request and one for its answer. tonic's default of 8 KiB each is more than almost
//! every message of the mesh needs, and beyond what allocators keep at hand; larger messages still grow theirs in one step.

use std::marker::PhantomData;

use prost::Message;
use tonic::codec::BufferSettings;
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

/// What a message's buffer begins with.
const BUFFER_BYTES: usize = 512;
/// How much of a stream is gathered before it is sent, as is tonic's default.
const YIELD_BYTES: usize = 32 << 10;

/// See the module's words.
#[derive(Debug, Clone)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = ProstDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::new(BUFFER_BYTES, YIELD_BYTES))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<T, U>::raw_decoder(BufferSettings::new(BUFFER_BYTES, YIELD_BYTES))
    }
}
