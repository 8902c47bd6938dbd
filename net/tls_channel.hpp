#pragma once

#include "base/bytes.hpp"
#include "net/tls_context.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

struct ssl_st;
struct bio_st;

namespace weir::net {

/// Who is expected at the other end of a connection we made.
struct TlsPeer {
    enum class Name : std::uint8_t {
        Any,
        Checked,  ///< the certificate must name `host`
    };

    std::string host;  ///< a name (sent as SNI) or a numeric address
    Name name = Name::Any;
};

/// One TLS connection over a non-blocking socket that somebody else owns and watches: handshake,
/// bytes in, bytes out. Knows no event loop, so that it may move from one to another.
///
/// It reads and writes the socket itself. `fd` must outlive it or not be used any more.
/// @thread one at a time
class TlsChannel {
public:
    enum class Status : std::uint8_t {
        Done,
        WantRead,   ///< again once the socket is readable
        WantWrite,  ///< again once it is writable
        Closed,     ///< the peer has ended, with or without close_notify
        Broken,     ///< problem() says why
    };

    struct Outcome {
        Status status = Status::Done;
        std::size_t bytes = 0;  ///< may be more than none with any status of read()
    };

    /// What fits into one record; what is given to write() beyond it is not taken.
    static constexpr std::size_t kRecordBytes = std::size_t{16} * 1024;

    /// Our side is the server's.
    /// @param received what has been read from the socket already: the beginning of the handshake
    TlsChannel(const TlsContextPtr& context, int fd, ByteView received);
    /// Our side is the client's.
    TlsChannel(const TlsContextPtr& context, int fd, TlsPeer peer);
    TlsChannel(const TlsChannel&) = delete;
    TlsChannel& operator=(const TlsChannel&) = delete;
    TlsChannel(TlsChannel&&) = delete;
    TlsChannel& operator=(TlsChannel&&) = delete;
    ~TlsChannel();

    [[nodiscard]] Status handshake();

    [[nodiscard]] bool is_ready() const { return is_ready_; }

    /// Reads until `into` is full or nothing more is there.
    [[nodiscard]] Outcome read(std::span<std::byte> into);
    /// Takes at most kRecordBytes. After WantRead or WantWrite the next call must begin with the
    /// same bytes and hold as many.
    [[nodiscard]] Outcome write(ByteView bytes);

    /// The socket may have something new to read: it was said to have nothing more.
    void socket_is_readable() { is_socket_empty_ = false; }

    /// From here on read() gives what is in here only.
    void leave_socket_alone() { is_socket_empty_ = true; }

    /// @return whether bytes may be left in here that the socket will not tell of
    [[nodiscard]] bool may_have_more() const { return may_have_more_; }

    /// Sends close_notify if that can be done at once.
    void say_goodbye();

    /// @return why it is Broken, for a person
    [[nodiscard]] const std::string& problem() const { return problem_; }

    // Of a channel that is ready:

    /// @return "TLSv1.3/TLS_AES_256_GCM_SHA384"
    [[nodiscard]] std::string description() const;
    /// @return whether the peers agreed on ALPN "postgresql"
    [[nodiscard]] bool has_alpn() const;
    /// @return whether the peer has shown a certificate that the context's authorities vouch for
    [[nodiscard]] bool is_peer_verified() const;
    /// @return the common name in the certificate of a verified peer; nothing without one
    [[nodiscard]] std::optional<std::string> verified_name() const;
    /// @return the hash of the server's certificate (RFC 5929, tls-server-end-point), whichever
    /// side is ours; nothing where the certificate's signature has no hash
    [[nodiscard]] std::optional<std::vector<std::byte>> server_end_point() const;

private:
    struct Transport;
    void begin(const TlsContextPtr& context);
    [[nodiscard]] Status status_of(int result);
    [[nodiscard]] bool names_peer();

    ssl_st* ssl_ = nullptr;
    int fd_;
    int error_ = 0;                    // errno of the socket
    std::vector<std::byte> received_;  // to be read before the socket
    std::size_t received_used_ = 0;
    TlsPeer peer_;
    std::string problem_;
    bool is_server_;
    bool is_ready_ = false;
    bool is_socket_empty_ = false;
    bool has_ended_ = false;  // the socket has
    bool may_have_more_ = true;
};

}  // namespace weir::net
