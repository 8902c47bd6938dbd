// The part of Stream that goes on inside TLS.

#include "net/stream_tls.hpp"

#include "base/check.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace weir::net {

using Status = TlsChannel::Status;

namespace {

/// Cuts a batch into what goes into one record each. Small segments share a record: each costs its
/// peer and us a few dozen bytes and two hashes. Large ones are not copied.
class RecordCutter {
public:
    // record_ is read as far as it was written, and clearing it would cost as much as sending.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init)
    explicit RecordCutter(std::span<const iovec> segments) : segments_{segments} {}

    [[nodiscard]] bool is_done() const { return index_ == segments_.size(); }

    /// @return valid until the next call
    ByteView next() {
        const ByteView rest = rest_of_segment();
        if (rest.size() < record_.size() && index_ + 1 < segments_.size()) {
            return gather();
        }
        const ByteView record = rest.first(std::min(rest.size(), record_.size()));
        advance(record.size());
        return record;
    }

private:
    [[nodiscard]] ByteView rest_of_segment() const {
        const iovec& segment = segments_[index_];
        return ByteView{static_cast<const std::byte*>(segment.iov_base), segment.iov_len}.subspan(
            offset_);
    }

    void advance(std::size_t count) {
        offset_ += count;
        if (offset_ == segments_[index_].iov_len) {
            offset_ = 0;
            ++index_;
        }
    }

    ByteView gather() {
        std::size_t filled = 0;
        while (!is_done() && filled < record_.size()) {
            const ByteView rest = rest_of_segment();
            const std::size_t count = std::min(rest.size(), record_.size() - filled);
            std::memcpy(record_.data() + filled, rest.data(), count);
            filled += count;
            advance(count);
        }
        return ByteView{record_.data(), filled};
    }

    std::span<const iovec> segments_;
    std::size_t index_ = 0;
    std::size_t offset_ = 0;  // into segments_[index_]
    std::array<std::byte, TlsChannel::kRecordBytes> record_;
};

}  // namespace

void Stream::start_tls(std::unique_ptr<TlsChannel> channel) {
    WEIR_ASSERT(secured_ == nullptr && fd_.is_open());
    secured_ = std::make_unique<Secured>(std::move(channel));
    update_events();
    kick();
}

const TlsChannel* Stream::tls() const {
    return secured_ == nullptr ? nullptr : secured_->channel.get();
}

bool Stream::is_shaking_hands() const {
    return secured_ != nullptr && !secured_->channel->is_ready();
}

void Stream::shake_hands() {
    const Status status = secured_->channel->handshake();
    secured_->read_wants_write = status == Status::WantWrite;
    switch (status) {
        case Status::WantRead:
        case Status::WantWrite: update_events(); return;
        case Status::Closed:
            fail_with(Error{ErrorCode::Closed,
                            sqlstate::kConnectionFailure,
                            "closed by peer during the TLS handshake"});
            return;
        case Status::Broken:
            fail_with(Error{
                ErrorCode::Network, sqlstate::kConnectionFailure, "TLS handshake failed", EPROTO});
            return;
        case Status::Done: break;
    }
    update_events();
    kick_if_more();
    listener_.on_secured();
}

/// The peer may have sent all it has to say: what is in the channel is told of by no event.
void Stream::kick_if_more() {
    if (secured_ != nullptr && is_open() && paused_ == 0 && !is_shaking_hands() &&
        secured_->channel->may_have_more()) {
        kick();
    }
}

void Stream::kick() {
    if (secured_->kick != nullptr) {
        return;
    }
    secured_->kick = std::make_shared<char>();
    loop_.post([this, alive = std::weak_ptr<char>{secured_->kick}] {
        if (!alive.expired()) {
            secured_->kick.reset();
            on_kick();
        }
    });
}

void Stream::on_kick() {
    if (!is_open()) {
        return;
    }
    secured_->channel->socket_is_readable();
    if (is_shaking_hands()) {
        shake_hands();
    } else if (broken_ != 0) {
        on_broken();
    } else if (paused_ == 0) {
        on_readable();
    }
}

int Stream::tls_events(int wanted) const {
    if (is_shaking_hands()) {
        return secured_->read_wants_write ? UV_READABLE | UV_WRITABLE : UV_READABLE;
    }
    if (secured_->write_wants_read && broken_ == 0) {
        wanted &= ~static_cast<int>(UV_WRITABLE);  // it is writable, and that is of no use
    }
    return secured_->read_wants_write ? wanted | UV_WRITABLE : wanted;
}

/// @return as recv()
long Stream::receive_secured(std::span<std::byte> into) {
    const auto [status, bytes] = secured_->channel->read(into);
    if (status == Status::WantWrite) {
        secured_->read_wants_write = true;
        update_events();
    }
    if (std::exchange(secured_->write_wants_read, false)) {
        update_events();  // writing is tried again when the socket is next writable: now
    }
    if (bytes > 0) {
        return static_cast<long>(bytes);
    }
    switch (status) {
        case Status::Closed: return 0;
        case Status::Broken: errno = EPROTO; return -1;
        case Status::Done:
        case Status::WantRead:
        case Status::WantWrite: break;
    }
    errno = EAGAIN;
    return -1;
}

std::size_t Stream::send_secured(const WriteBatch& batch) {
    if (is_shaking_hands()) {
        return 0;
    }
    RecordCutter records{batch.segments()};
    std::size_t sent = 0;
    while (!records.is_done()) {
        const ByteView record = records.next();
        const auto [status, bytes] = secured_->channel->write(record);
        sent += bytes;
        if (status == Status::Broken || status == Status::Closed) {
            broken_ = EPIPE;
        }
        secured_->write_wants_read = status == Status::WantRead;
        if (bytes < record.size()) {
            break;
        }
    }
    return sent;
}

}  // namespace weir::net
