#include "net/stream.hpp"

#include "base/check.hpp"
#include "net/stream_tls.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace weir::net {

namespace {

/// More than this unread is not copied in front of the next read: the read is appended to it
/// instead.
constexpr std::size_t kCopyUnreadMax = EventLoop::kReadBufferBytes / 4;

// glibc makes recv() and send() points where a thread can be cancelled, at two locked instructions
// a call. No thread of ours is cancelled.
ssize_t receive(int fd, std::span<std::byte> into) {
    return ::syscall(SYS_recvfrom, fd, into.data(), into.size(), MSG_DONTWAIT, nullptr, nullptr);
}

ssize_t send_now(int fd, const iovec& bytes) {
    return ::syscall(
        SYS_sendto, fd, bytes.iov_base, bytes.iov_len, MSG_NOSIGNAL | MSG_DONTWAIT, nullptr, 0);
}

bool is_try_again(int error) {
    return error == EAGAIN || error == EINTR;
}

/// Reads off what the peer sent and nobody will look at: closing with it unread would reset the
/// connection and could take our last message with it.
void discard_received(int fd) {
    std::array<std::byte, 4096> scrap{};
    constexpr int kReadsMax = 16;
    for (int i = 0; i<kReadsMax&& ::recv(fd, scrap.data(), scrap.size(), MSG_DONTWAIT)> 0; ++i) {
    }
}

}  // namespace

Stream::Stream(EventLoop& loop, Fd fd, StreamListener& listener)
    : loop_{loop}, listener_{listener}, fd_{std::move(fd)} {
    watch();
}

Stream::Stream(EventLoop& loop, DetachedStream detached, StreamListener& listener)
    : loop_{loop},
      listener_{listener},
      fd_{std::move(detached.fd)},
      unread_{std::move(detached.unread)},
      unsent_{std::move(detached.unsent)} {
    if (detached.tls != nullptr) {
        secured_ = std::make_unique<Secured>(std::move(detached.tls));
    }
    watch();
    kick_if_more();
}

Stream::~Stream() {
    close();
    if (gate_ != nullptr) {
        gate_->stream = nullptr;
    }
}

HeldOutput::HeldOutput(OutputGate& gate) : gate_{gate} {
    ++gate_.holds;
}

HeldOutput::~HeldOutput() {
    if (--gate_.holds > 0) {
        return;
    }
    Stream* const stream = gate_.stream;
    delete &gate_;
    if (stream != nullptr) {
        stream->gate_ = nullptr;
        stream->send_held();
    }
}

std::shared_ptr<HeldOutput> Stream::hold_output() {
    WEIR_ASSERT(loop_.is_current());
    if (!fd_.is_open()) {
        return nullptr;
    }
    if (gate_ == nullptr) {
        gate_ = new OutputGate{this};
    }
    return std::shared_ptr<HeldOutput>{new HeldOutput{*gate_}};
}

void Stream::send_held() {
    if (is_open() && broken_ == 0 && !is_shaking_hands() && !unsent_.empty()) {
        on_writable();
    }
}

void Stream::watch() {
    poll_ = UvBox<uv_poll_t>{
        [this](uv_poll_t* handle) { return uv_poll_init(loop_.raw(), handle, fd_.get()); }};
    if (poll_.init_error() != 0) {
        broken_ = -poll_.init_error();
        return;
    }
    poll_.set_owner(this);
    update_events();
}

void Stream::close() {
    if (!fd_.is_open()) {
        return;
    }
    poll_.close();  // the poll first, then the descriptor: libuv must not watch a number that is
                    // reused
    if (secured_ != nullptr) {
        secured_->kick.reset();
        if (unsent_.empty() && broken_ == 0) {
            secured_->channel->say_goodbye();
        }
    }
    ::shutdown(fd_.get(), SHUT_WR);
    discard_received(fd_.get());
    fd_.reset();
    unsent_.clear();
}

DetachedStream Stream::detach() {
    WEIR_ASSERT(!is_output_held());
    poll_.close();
    std::unique_ptr<TlsChannel> tls;
    if (secured_ != nullptr) {
        tls = std::move(secured_->channel);
        secured_.reset();
    }
    return {std::move(fd_), std::exchange(unread_, {}), std::exchange(unsent_, {}), std::move(tls)};
}

void Stream::write(ByteView bytes) {
    WriteBatch batch;
    batch.add(bytes);
    write(batch);
}

void Stream::write(const WriteBatch& batch) {
    WEIR_ASSERT(loop_.is_current());
    if (!fd_.is_open() || broken_ != 0 || batch.empty()) {
        return;
    }
    std::size_t sent = unsent_.empty() && !is_output_held() ? send(batch) : 0;
    if (sent == batch.total() || broken_ != 0) {
        update_events();
        return;
    }
    for (const iovec& segment : batch.segments()) {
        const std::size_t skip = std::min(sent, segment.iov_len);
        sent -= skip;
        // The one copy of payload: the kernel's buffer is full and the bytes we were given are only
        // lent.
        unsent_.append(
            ByteView{static_cast<const std::byte*>(segment.iov_base), segment.iov_len}.subspan(
                skip));
    }
    was_full_ = was_full_ || is_full();
    update_events();
}

std::size_t Stream::send(const WriteBatch& batch) {
    if (secured_ != nullptr) {
        return send_secured(batch);
    }
    const auto segments = batch.segments();
    ssize_t sent = 0;
    if (segments.size() == 1) {
        sent = send_now(fd_.get(), segments[0]);
    } else {
        msghdr message{};
        message.msg_iov = const_cast<iovec*>(segments.data());
        message.msg_iovlen = segments.size();
        sent = ::sendmsg(fd_.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    if (sent >= 0) {
        return static_cast<std::size_t>(sent);
    }
    if (!is_try_again(errno)) {
        broken_ = errno;
    }
    return 0;
}

void Stream::pause(Pause reason) {
    paused_ = static_cast<std::uint8_t>(paused_ | static_cast<std::uint8_t>(reason));
    update_events();
}

void Stream::resume(Pause reason) {
    paused_ = static_cast<std::uint8_t>(paused_ & ~static_cast<std::uint8_t>(reason));
    update_events();
    kick_if_more();
}

void Stream::update_events() {
    if (!poll_.is_open()) {
        return;
    }
    int wanted = 0;
    if (paused_ == 0 || broken_ != 0) {
        wanted |= UV_READABLE;
    } else if ((paused_ & static_cast<std::uint8_t>(Pause::Waiting)) != 0) {
        wanted |= UV_DISCONNECT;  // whoever hangs up while waiting is not waited for
    }
    if ((!unsent_.empty() && !is_output_held()) || broken_ != 0) {
        wanted |= UV_WRITABLE;
    }
    if (secured_ != nullptr) {
        wanted = tls_events(wanted);
    }
    if (wanted == events_) {
        return;  // the common case: no system call
    }
    events_ = wanted;
    if (const int error = uv_poll_start(poll_.get(), wanted, &Stream::on_poll_trampoline);
        error != 0) {
        broken_ = -error;
    }
}

void Stream::on_poll_trampoline(uv_poll_t* handle, int status, int events) noexcept {
    auto* self = static_cast<Stream*>(UvBox<uv_poll_t>::owner_of(handle));
    if (self == nullptr) {
        return;
    }
    self->loop_.refresh_now();
    if (self->broken_ != 0) {
        self->on_broken();
        return;
    }
    if (self->secured_ != nullptr) {
        self->secured_->channel->socket_is_readable();
        if (self->is_shaking_hands()) {
            self->shake_hands();
            return;
        }
        events |= self->secured_->events_for_reading(events);
    }
    if ((events & UV_WRITABLE) != 0) {
        self->on_writable();
    }
    if (self->is_open() && self->paused_ == 0 && ((events & UV_READABLE) != 0 || status < 0)) {
        self->on_readable();
    }
    // After an error libuv has stopped watching: what could be read has been read now.
    if (self->is_open() && (status < 0 || (self->paused_ != 0 && (events & UV_DISCONNECT) != 0))) {
        self->fail_with(Error{ErrorCode::Closed, sqlstate::kConnectionFailure, "closed by peer"});
    }
}

/// What the peer said before it went often says why.
void Stream::on_broken() {
    if (paused_ == 0) {
        on_readable();
    }
    if (is_open()) {
        fail_with(Error{ErrorCode::Network, sqlstate::kConnectionFailure, "write failed", broken_});
    }
}

void Stream::on_readable() {
    std::size_t budget = kBytesPerTurn;
    while (budget > 0 && is_open() && paused_ == 0) {
        const std::span<std::byte> buffer = loop_.read_buffer();
        const std::size_t front = unread_.size() <= kCopyUnreadMax ? unread_.size() : 0;
        const std::size_t room = buffer.size() - front;
        const ssize_t got = secured_ == nullptr ? receive(fd_.get(), buffer.subspan(front))
                                                : receive_secured(buffer.subspan(front));
        if (got <= 0) {
            on_nothing_received(got);
            return;
        }
        const auto received = static_cast<std::size_t>(got);
        if (!offer_received(buffer.first(front + received), front)) {
            return;
        }
        if (secured_ == nullptr ? received < room : is_shaking_hands()) {
            return;  // the socket is empty: asking again would cost a system call to learn it
        }
        budget -= std::min(budget, received);
        if (budget == 0 && secured_ != nullptr) {
            secured_->channel->leave_socket_alone();
            budget = secured_->channel->may_have_more() ? 1 : 0;
        }
    }
}

/// @param got 0 = the peer has ended; below 0: errno says what
void Stream::on_nothing_received(long got) {
    if (got == 0) {
        fail_with(Error{ErrorCode::Closed, sqlstate::kConnectionFailure, "closed by peer"});
    } else if (!is_try_again(errno)) {
        fail_with(Error{ErrorCode::Network, sqlstate::kConnectionFailure, "read failed", errno});
    }
}

/// @param buffer what was received, after room for what is kept unread
/// @param room 0 where that is too much to be copied in front
/// @return whether the stream is still open
bool Stream::offer_received(std::span<std::byte> buffer, std::size_t room) {
    if (room > 0) {
        std::memcpy(buffer.data(), unread_.view().data(), room);
        unread_.clear();
    }
    if (unread_.empty()) {
        return offer(buffer);
    }
    unread_.append(buffer);
    offer_unread();
    return is_open();
}

/// @return whether the stream is still open
bool Stream::offer(ByteView bytes) {
    const std::size_t used = listener_.on_bytes(bytes);
    if (!is_open()) {
        return false;
    }
    WEIR_ASSERT(used <= bytes.size());
    unread_.append(bytes.subspan(used));
    return true;
}

void Stream::offer_unread() {
    if (unread_.empty() || !is_open()) {
        return;
    }
    ByteQueue offered = std::exchange(unread_, {});
    const std::size_t used = listener_.on_bytes(offered.view());
    if (is_open()) {
        offered.consume(used);
        unread_ = std::move(offered);
    }
}

void Stream::on_writable() {
    if (!unsent_.empty() && !is_output_held()) {
        WriteBatch batch;
        batch.add(unsent_.view());
        unsent_.consume(send(batch));
    }
    update_events();
    if (unsent_.empty() || (was_full_ && unsent_.size() <= high_mark_ / 2)) {
        was_full_ = false;
        listener_.on_drained();
    }
}

void Stream::fail_with(const Error& reason) {
    listener_.on_closing();
    poll_.close();
    if (secured_ != nullptr) {
        secured_->kick.reset();
        if (reason.code() == ErrorCode::Closed && unsent_.empty()) {
            secured_->channel->say_goodbye();  // who sent close_notify may wait for ours
        }
    }
    events_ = 0;
    fd_.reset();
    unsent_.clear();
    listener_.on_closed(reason);
}

}  // namespace weir::net
