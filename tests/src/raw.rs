//! Calls by path and bytes, for tests that walk over every method of the descriptors.

use bytes::{Buf, BufMut, Bytes};
use mesh::transport::Channel;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    codegen::http::uri::PathAndQuery,
};

/// A request with only field 1, a string.
pub fn named(name: &str) -> Bytes {
    let mut body = vec![0x0a];
    prost::encoding::encode_varint(name.len() as u64, &mut body);
    body.extend_from_slice(name.as_bytes());
    body.into()
}

/// Calls a method and returns its first message.
///
/// # Errors
/// The method's status; a stream that ends without a message is `OK` with no bytes.
pub async fn call(channel: Channel, path: &str, body: Bytes) -> Result<Bytes, Status> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(|e| Status::unavailable(format!("{e:?}")))?;
    let path = PathAndQuery::try_from(path).expect("a path from the descriptors");
    let mut request = Request::new(body);
    request.set_timeout(std::time::Duration::from_secs(20));
    let mut stream = grpc.server_streaming(request, path, BytesCodec).await?.into_inner();
    Ok(stream.message().await?.unwrap_or_default())
}

/// Passes bytes through.
#[derive(Debug, Clone, Copy, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, dst: &mut EncodeBuf<'_>) -> Result<(), Status> {
        dst.put(item);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(src.copy_to_bytes(src.remaining())))
    }
}
