#pragma once

#include "net/stream.hpp"

#include <memory>
#include <utility>

namespace weir::net {

/// What a stream has besides while it is inside TLS. Not for others than Stream.
struct Stream::Secured {
    explicit Secured(std::unique_ptr<TlsChannel> tls) : channel{std::move(tls)} {}

    /// @return UV_READABLE where the socket being writable is what reading waited for
    [[nodiscard]] int events_for_reading(int events) {
        const bool is_due = (events & UV_WRITABLE) != 0 && read_wants_write;
        read_wants_write = read_wants_write && !is_due;
        return is_due ? static_cast<int>(UV_READABLE) : 0;
    }

    std::unique_ptr<TlsChannel> channel;
    /// There is something to do that no event of the socket tells of; it is done in a later turn,
    /// unless this has gone by then.
    std::shared_ptr<char> kick;
    bool read_wants_write = false;  // the handshake, or an answer to what was read
    bool write_wants_read = false;
};

}  // namespace weir::net
