#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct ssl_ctx_st;

namespace weir::net {

enum class TlsVersion : std::uint8_t { V12, V13 };

/// What a context is made of. Files are PEM; an empty text is OpenSSL's default, or nothing.
struct TlsOptions {
    std::string cert_file;  ///< ours, with the chain that leads to a known authority
    std::string key_file;
    std::string
        ca_file;  ///< who may vouch for the peer; kSystemAuthorities: the machine's own list
    TlsVersion min_version = TlsVersion::V12;
    std::string ciphers;        ///< TLS 1.2, in OpenSSL's language
    std::string tls13_ciphers;  ///< TLS 1.3
    std::string ecdh_curve;     ///< groups for the key exchange, with colons
};

inline constexpr std::string_view kSystemAuthorities = "system";

/// What is made of the peer's certificate.
enum class TlsTrust : std::uint8_t {
    Ignored,   ///< not looked at
    Noted,     ///< a client's: asked for, and let in without one or with a bad one
    Required,  ///< there must be one, and ca_file must vouch for it
};

/// Why a context could not be made.
struct TlsProblem {
    std::string_view option;  ///< the member of TlsOptions that is to blame
    std::string text;         ///< for a person; names the file, never what is in it
};

class TlsContext;
using TlsContextPtr = std::shared_ptr<const TlsContext>;

/// Certificate, key and rules that connections of one kind share. Never changed after it was made:
/// a reload makes another one, and connections keep the one they began with.
///
/// @thread any; made by reading files, so never on an event loop
class TlsContext {
public:
    /// For those who connect to us. @return null after filling in `problem`
    [[nodiscard]] static TlsContextPtr for_server(const TlsOptions& options,
                                                  TlsTrust trust,
                                                  TlsProblem& problem);
    /// For connecting to others. @return null after filling in `problem`
    [[nodiscard]] static TlsContextPtr for_client(const TlsOptions& options,
                                                  TlsTrust trust,
                                                  TlsProblem& problem);
    TlsContext(const TlsContext&) = delete;
    TlsContext& operator=(const TlsContext&) = delete;
    TlsContext(TlsContext&&) = delete;
    TlsContext& operator=(TlsContext&&) = delete;
    ~TlsContext();

    [[nodiscard]] ssl_ctx_st* raw() const { return context_; }

private:
    explicit TlsContext(ssl_ctx_st* context) : context_{context} {}

    ssl_ctx_st* context_;
};

}  // namespace weir::net
