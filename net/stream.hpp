#pragma once

#include "base/bytes.hpp"
#include "base/result.hpp"
#include "net/byte_queue.hpp"
#include "net/event_loop.hpp"
#include "net/fd.hpp"
#include "net/tls_channel.hpp"
#include "net/uv_box.hpp"
#include "net/write_batch.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace weir::net {

/// Who is told what happens on a stream. Every callback may close the stream or hand its owner to
/// EventLoop::defer_delete(); none may destroy the stream at once.
class StreamListener {
public:
    /// Bytes have arrived. `bytes` begins with what was left over the last time and is valid during
    /// the call only.
    /// @return how many bytes were used; the rest is kept and offered again, in front of what comes
    /// next
    [[nodiscard]] virtual std::size_t on_bytes(ByteView bytes) = 0;

    /// What could not be sent at once has fallen below the low mark (half of the high one).
    virtual void on_drained() = 0;

    /// on_closed() is about to be called, and fd() is still there to be asked who it was.
    virtual void on_closing() {}

    /// The peer has closed (ErrorCode::Closed) or the connection broke (ErrorCode::Network).
    /// Nothing follows.
    virtual void on_closed(const Error& reason) = 0;

    /// The TLS handshake that start_tls() began is through. (When it fails, on_closed() tells.)
    virtual void on_secured() {}

protected:
    ~StreamListener() = default;
};

/// Why a stream is not read at the moment; several may hold at once.
enum class Pause : std::uint8_t {
    PeerIsFull = 1,    ///< who this stream's bytes go to has more unsent than the high mark
    Waiting = 2,       ///< there is nobody to give the bytes to yet
    Closing = 4,       ///< nothing it says matters any more
    OutputIsFull = 8,  ///< it is to read what it has been told before it asks for more
    Suspended = 16,    ///< an operator has stopped all traffic
};

class Stream;

/// There is one while a stream's output is held; the last HeldOutput deletes it.
struct OutputGate {
    Stream* stream = nullptr;  ///< nullptr: it is gone
    unsigned holds = 0;
};

/// While there is one, nothing of what its stream is given is sent. The stream may go before it.
/// @thread the stream's
class HeldOutput {
public:
    HeldOutput(const HeldOutput&) = delete;
    HeldOutput& operator=(const HeldOutput&) = delete;
    HeldOutput(HeldOutput&&) = delete;
    HeldOutput& operator=(HeldOutput&&) = delete;
    /// The last of a stream sends what has gathered.
    ~HeldOutput();

private:
    friend class Stream;

    explicit HeldOutput(OutputGate& gate);

    OutputGate& gate_;
};

/// What is left of a stream when it moves to another loop.
struct DetachedStream {
    Fd fd;
    ByteQueue unread;
    ByteQueue unsent;
    std::unique_ptr<TlsChannel> tls;
};

/// A connected socket of our own, watched with uv_poll, read into the loop's shared buffer and
/// written at once.
///
/// It owns memory only for bytes that were not used or could not be sent. Reading stays armed;
/// writability is asked for only while bytes are left over. A turn reads at most kBytesPerTurn,
/// then the loop serves the others. With TLS it does the same (stream_tls.cpp); what the listener
/// and the writer see are the bytes inside.
/// @thread its loop's; the destructor closes the descriptor
class Stream {
public:
    static constexpr std::size_t kBytesPerTurn = std::size_t{256} * 1024;

    Stream(EventLoop& loop, Fd fd, StreamListener& listener);
    Stream(EventLoop& loop, DetachedStream detached, StreamListener& listener);
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;
    Stream(Stream&&) = delete;
    Stream& operator=(Stream&&) = delete;
    ~Stream();

    /// Sends now what the kernel takes and keeps the rest. After an error or close() it does
    /// nothing: on_closed() tells.
    void write(const WriteBatch& batch);
    void write(ByteView bytes);

    /// Goes on inside TLS: the handshake begins in a later turn, on_secured() or on_closed()
    /// follows. Until then nothing is read for the listener and what is written waits. Whoever
    /// calls this must have used all that was received before, or given it to the channel.
    /// @param channel over this stream's fd()
    void start_tls(std::unique_ptr<TlsChannel> channel);

    /// @return null without TLS
    [[nodiscard]] const TlsChannel* tls() const;

    /// From now on what is written waits, in order, until the last of these is gone.
    /// @return nullptr: it is closed
    [[nodiscard]] std::shared_ptr<HeldOutput> hold_output();

    void pause(Pause reason);
    void resume(Pause reason);

    [[nodiscard]] bool is_paused() const { return paused_ != 0; }

    [[nodiscard]] bool is_paused(Pause reason) const {
        return (paused_ & static_cast<std::uint8_t>(reason)) != 0;
    }

    /// Offers what is kept unread once more, because now there is somebody to take it.
    void offer_unread();

    [[nodiscard]] std::size_t unread() const { return unread_.size(); }

    [[nodiscard]] std::size_t unsent() const { return unsent_.size(); }

    void set_high_mark(std::size_t bytes) { high_mark_ = bytes; }

    /// @return whether more is unsent than the high mark: whoever feeds this stream should pause
    [[nodiscard]] bool is_full() const { return unsent_.size() > high_mark_; }

    [[nodiscard]] bool is_open() const { return fd_.is_open(); }

    [[nodiscard]] int fd() const { return fd_.get(); }

    /// Closes without telling the listener. What was sent before still reaches the peer.
    void close();

    /// Takes the socket off this loop, to go on on another one. Not for use within on_bytes()
    /// unless it uses all it was offered: the rest would stay behind.
    [[nodiscard]] DetachedStream detach();

private:
    friend class HeldOutput;
    struct Secured;

    [[nodiscard]] bool is_output_held() const { return gate_ != nullptr; }

    static void on_poll_trampoline(uv_poll_t* handle, int status, int events) noexcept;
    void watch();
    void on_readable();
    void on_writable();
    void send_held();
    void on_broken();
    void on_nothing_received(long got);
    [[nodiscard]] bool offer_received(std::span<std::byte> buffer, std::size_t room);
    [[nodiscard]] bool offer(ByteView bytes);
    [[nodiscard]] std::size_t send(const WriteBatch& batch);
    [[nodiscard]] bool is_shaking_hands() const;
    void shake_hands();
    void kick_if_more();
    void kick();
    void on_kick();
    [[nodiscard]] int tls_events(int wanted) const;
    [[nodiscard]] long receive_secured(std::span<std::byte> into);
    [[nodiscard]] std::size_t send_secured(const WriteBatch& batch);
    void update_events();
    void fail_with(const Error& reason);

    EventLoop& loop_;
    StreamListener& listener_;
    Fd fd_;
    int broken_ = 0;  // errno of a failed write, told by on_closed in the next turn
    UvBox<uv_poll_t> poll_;
    ByteQueue unread_;
    ByteQueue unsent_;
    std::size_t high_mark_ = std::size_t{256} * 1024;
    int events_ = 0;  // what uv_poll watches for now
    std::uint8_t paused_ = 0;
    bool was_full_ = false;
    std::unique_ptr<Secured> secured_;  // with TLS
    OutputGate* gate_ = nullptr;        // while its output is held
};

}  // namespace weir::net
