#include "pool/server_tls.hpp"

#include <memory>
#include <utility>

namespace weir::pool {

TlsAnswer read_tls_answer(ByteView bytes) {
    switch (static_cast<char>(bytes.front())) {
        case 'S': return bytes.size() == 1 ? TlsAnswer::Yes : TlsAnswer::Injected;
        case 'N': return bytes.size() == 1 ? TlsAnswer::No : TlsAnswer::Injected;
        default: return TlsAnswer::Error;
    }
}

void secure(net::Stream& stream, const ServerTls& tls, const Endpoint& endpoint) {
    net::TlsPeer peer;
    peer.host = endpoint.host;
    peer.name = tls.mode == conf::TlsMode::VerifyFull ? net::TlsPeer::Name::Checked
                                                      : net::TlsPeer::Name::Any;
    stream.start_tls(std::make_unique<net::TlsChannel>(tls.context, stream.fd(), std::move(peer)));
}

}  // namespace weir::pool
