#include "net/tls_channel.hpp"

#include "base/check.hpp"
#include "net/tls_error.hpp"

#include <arpa/inet.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

namespace weir::net {

namespace {

struct FreeX509 {
    void operator()(X509* certificate) const { X509_free(certificate); }
};

using X509Ptr = std::unique_ptr<X509, FreeX509>;

bool is_try_again(int error) {
    return error == EAGAIN || error == EINTR;
}

bool is_numeric(const std::string& host) {
    in6_addr scrap{};
    return ::inet_pton(AF_INET, host.c_str(), &scrap) == 1 ||
           ::inet_pton(AF_INET6, host.c_str(), &scrap) == 1;
}

/// @return the common name, or nothing when there is none or it holds a zero byte (which would
/// hide what stands behind it)
std::optional<std::string> common_name(X509* certificate) {
    const X509_NAME* subject = X509_get_subject_name(certificate);
    const int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    if (index < 0) {
        return std::nullopt;
    }
    unsigned char* text = nullptr;
    const int bytes =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index)));
    if (bytes < 0) {
        return std::nullopt;
    }
    std::string name{reinterpret_cast<const char*>(text), static_cast<std::size_t>(bytes)};
    OPENSSL_free(text);
    return name.find('\0') == std::string::npos ? std::optional{std::move(name)} : std::nullopt;
}

}  // namespace

/// The socket as OpenSSL sees it. Its own would raise SIGPIPE and cannot be given what was read
/// before.
struct TlsChannel::Transport {
    static TlsChannel& channel_of(BIO* bio) { return *static_cast<TlsChannel*>(BIO_get_data(bio)); }

    static int read(BIO* bio, char* into, int room) {
        TlsChannel& self = channel_of(bio);
        BIO_clear_retry_flags(bio);
        if (self.received_used_ < self.received_.size()) {
            const std::size_t count = std::min(static_cast<std::size_t>(room),
                                               self.received_.size() - self.received_used_);
            std::memcpy(into, self.received_.data() + self.received_used_, count);
            self.received_used_ += count;
            if (self.received_used_ == self.received_.size()) {
                std::vector<std::byte>{}.swap(self.received_);
                self.received_used_ = 0;
            }
            return static_cast<int>(count);
        }
        if (self.is_socket_empty_) {
            BIO_set_retry_read(bio);  // asking would cost a system call to learn it
            return -1;
        }
        const ssize_t got = ::recv(self.fd_, into, static_cast<std::size_t>(room), MSG_DONTWAIT);
        if (got < 0) {
            if (is_try_again(errno)) {
                self.is_socket_empty_ = errno == EAGAIN;
                BIO_set_retry_read(bio);
            } else {
                self.error_ = errno;
            }
            return -1;
        }
        self.has_ended_ = got == 0;
        self.is_socket_empty_ = got > 0 && got < room;
        return static_cast<int>(got);
    }

    static int write(BIO* bio, const char* bytes, int count) {
        TlsChannel& self = channel_of(bio);
        BIO_clear_retry_flags(bio);
        const ssize_t sent =
            ::send(self.fd_, bytes, static_cast<std::size_t>(count), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0) {
            if (is_try_again(errno)) {
                BIO_set_retry_write(bio);
            } else {
                self.error_ = errno;
            }
        }
        return static_cast<int>(sent);
    }

    static long control(BIO* bio, int command, long /*number*/, void* /*pointer*/) {
        switch (command) {
            case BIO_CTRL_FLUSH: return 1;
            case BIO_CTRL_EOF: return channel_of(bio).has_ended_ ? 1 : 0;
            default: return 0;
        }
    }

    static const BIO_METHOD* method() {
        static const BIO_METHOD* const kMethod = [] {
            BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
            WEIR_CHECK(made != nullptr);
            BIO_meth_set_read(made, &Transport::read);
            BIO_meth_set_write(made, &Transport::write);
            BIO_meth_set_ctrl(made, &Transport::control);
            return made;
        }();
        return kMethod;
    }
};

TlsChannel::TlsChannel(const TlsContextPtr& context, int fd, ByteView received)
    : fd_{fd}, received_{received.begin(), received.end()}, is_server_{true} {
    begin(context);
    SSL_set_accept_state(ssl_);
}

TlsChannel::TlsChannel(const TlsContextPtr& context, int fd, TlsPeer peer)
    : fd_{fd}, peer_{std::move(peer)}, is_server_{false} {
    begin(context);
    SSL_set_connect_state(ssl_);
    if (!peer_.host.empty() && !is_numeric(peer_.host)) {  // RFC 6066: names only
        // What OpenSSL's macro of this name does, without its cast.
        SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, peer_.host.data());
    }
}

TlsChannel::~TlsChannel() {
    SSL_free(ssl_);
}

void TlsChannel::begin(const TlsContextPtr& context) {
    ssl_ = SSL_new(context->raw());
    BIO* bio = BIO_new(Transport::method());
    WEIR_CHECK(ssl_ != nullptr && bio != nullptr);
    BIO_set_data(bio, this);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_, bio, bio);
}

TlsChannel::Status TlsChannel::status_of(int result) {
    switch (SSL_get_error(ssl_, result)) {
        case SSL_ERROR_NONE: return Status::Done;
        case SSL_ERROR_WANT_READ: return Status::WantRead;
        case SSL_ERROR_WANT_WRITE: return Status::WantWrite;
        case SSL_ERROR_ZERO_RETURN: return Status::Closed;
        default: break;
    }
    problem_ = take_tls_error();
    if (has_ended_) {
        return Status::Closed;
    }
    if (const long verdict = SSL_get_verify_result(ssl_); !is_ready_ && verdict != X509_V_OK) {
        problem_ += std::string{": "} + X509_verify_cert_error_string(verdict);
    }
    if (problem_.empty()) {
        problem_ = std::generic_category().message(error_ == 0 ? EPROTO : error_);
    }
    return Status::Broken;
}

TlsChannel::Status TlsChannel::handshake() {
    ERR_clear_error();
    const Status status = status_of(SSL_do_handshake(ssl_));
    if (status == Status::Done) {
        if (!names_peer()) {
            problem_ = "the server's certificate is not for \"" + peer_.host + "\"";
            return Status::Broken;
        }
        is_ready_ = true;
    }
    return status;
}

/// As libpq: an address is looked for among the addresses, then as a name; a name among the
/// alternative names, and in the subject only where there are none.
bool TlsChannel::names_peer() {
    if (is_server_ || peer_.name == TlsPeer::Name::Any) {
        return true;
    }
    const X509Ptr certificate{SSL_get1_peer_certificate(ssl_)};
    if (certificate == nullptr || peer_.host.empty()) {
        return false;
    }
    if (is_numeric(peer_.host) &&
        X509_check_ip_asc(certificate.get(), peer_.host.c_str(), 0) == 1) {
        return true;
    }
    return X509_check_host(certificate.get(),
                           peer_.host.data(),
                           peer_.host.size(),
                           X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS,
                           nullptr) == 1;
}

TlsChannel::Outcome TlsChannel::read(std::span<std::byte> into) {
    Outcome outcome;
    while (outcome.bytes < into.size()) {
        ERR_clear_error();
        std::size_t got = 0;
        const int result =
            SSL_read_ex(ssl_, into.data() + outcome.bytes, into.size() - outcome.bytes, &got);
        if (result != 1) {
            outcome.status = status_of(result);
            may_have_more_ = outcome.status != Status::WantRead;
            return outcome;
        }
        outcome.bytes += got;
    }
    may_have_more_ = true;
    return outcome;
}

TlsChannel::Outcome TlsChannel::write(ByteView bytes) {
    ERR_clear_error();
    Outcome outcome;
    const int result =
        SSL_write_ex(ssl_, bytes.data(), std::min(bytes.size(), kRecordBytes), &outcome.bytes);
    if (result != 1) {
        outcome = {status_of(result), 0};
    }
    return outcome;
}

void TlsChannel::say_goodbye() {
    if (is_ready_ && error_ == 0) {
        ERR_clear_error();
        SSL_shutdown(ssl_);
        ERR_clear_error();
    }
}

std::string TlsChannel::description() const {
    return std::string{SSL_get_version(ssl_)} + '/' + SSL_get_cipher_name(ssl_);
}

bool TlsChannel::has_alpn() const {
    const unsigned char* chosen = nullptr;
    unsigned int bytes = 0;
    SSL_get0_alpn_selected(ssl_, &chosen, &bytes);
    return bytes > 0;
}

bool TlsChannel::is_peer_verified() const {
    return SSL_get0_peer_certificate(ssl_) != nullptr &&
           SSL_get_verify_mode(ssl_) != SSL_VERIFY_NONE && SSL_get_verify_result(ssl_) == X509_V_OK;
}

std::optional<std::string> TlsChannel::verified_name() const {
    return is_peer_verified() ? common_name(SSL_get0_peer_certificate(ssl_)) : std::nullopt;
}

std::optional<std::vector<std::byte>> TlsChannel::server_end_point() const {
    X509* certificate = is_server_ ? SSL_get_certificate(ssl_) : SSL_get0_peer_certificate(ssl_);
    int hash = NID_undef;
    if (certificate == nullptr ||
        X509_get_signature_info(certificate, &hash, nullptr, nullptr, nullptr) != 1) {
        return std::nullopt;
    }
    // RFC 5929: SHA-256 in place of what is too weak.
    const EVP_MD* digest =
        hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
    std::array<unsigned char, EVP_MAX_MD_SIZE> bytes{};
    unsigned int count = 0;
    if (digest == nullptr || X509_digest(certificate, digest, bytes.data(), &count) != 1) {
        ERR_clear_error();
        return std::nullopt;
    }
    const auto view = std::as_bytes(std::span{bytes}.first(count));
    return std::vector<std::byte>{view.begin(), view.end()};
}

}  // namespace weir::net
