#include "net/tls_context.hpp"

#include "base/check.hpp"
#include "net/tls_error.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

namespace weir::net {

namespace {

/// The name of PostgreSQL's protocol in TLS (IANA, "TLS Application-Layer Protocol Negotiation
/// Protocol IDs"), with its length in front.
constexpr std::array<unsigned char, 11> kAlpn{10, 'p', 'o', 's', 't', 'g', 'r', 'e', 's', 'q', 'l'};

int no_passphrase(char* /*buffer*/, int /*size*/, int /*is_writing*/, void* /*data*/) {
    return 0;  // nobody is there to type one
}

// NOLINTNEXTLINE(readability-function-size): OpenSSL chooses the parameters
int select_alpn(SSL* /*ssl*/,
                const unsigned char** chosen,
                unsigned char* chosen_bytes,
                const unsigned char* offered,
                unsigned int offered_bytes,
                void* /*data*/) {
    unsigned char* found = nullptr;
    const int outcome = SSL_select_next_proto(
        &found, chosen_bytes, kAlpn.data(), kAlpn.size(), offered, offered_bytes);
    *chosen = found;
    // Whoever names protocols and not this one believes to talk to another server (RFC 7301).
    return outcome == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

int let_in(int /*is_fine*/, X509_STORE_CTX* /*chain*/) {
    return 1;  // SSL_get_verify_result() still tells what was wrong
}

std::string quoted(const std::string& path) {
    return "the file \"" + path + "\" ";
}

std::string system_text(int error) {
    return "cannot be read: " + std::generic_category().message(error);
}

/// @return what is wrong with the key's file, or ""; the rules are PostgreSQL's
std::string key_file_problem(const std::string& path) {
    struct stat info {};

    if (::stat(path.c_str(), &info) != 0) {
        return system_text(errno);
    }
    if (!S_ISREG(info.st_mode)) {
        return "is no file";
    }
    if (info.st_uid != ::geteuid() && info.st_uid != 0) {
        return "belongs to another user; accepted: a key of the user Weir runs as, or of root";
    }
    const mode_t too_much = info.st_uid == 0 ? S_IWGRP | S_IXGRP | S_IRWXO : S_IRWXG | S_IRWXO;
    if ((info.st_mode & too_much) != 0) {
        return "can be read by others; accepted: permissions 0600, or 0640 when it is root's";
    }
    return {};
}

/// Fills in one context from the options; stops at the first problem.
class Builder {
public:
    Builder(SSL_CTX* context, const TlsOptions& options, TlsProblem& problem)
        : context_{context}, options_{options}, problem_{problem} {}

    [[nodiscard]] bool set_common() {
        SSL_CTX_set_mode(context_,
                         SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                             SSL_MODE_RELEASE_BUFFERS);
        SSL_CTX_set_options(context_,
                            SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET |
                                SSL_OP_CIPHER_SERVER_PREFERENCE);
        SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
        SSL_CTX_set_num_tickets(context_, 0);
        SSL_CTX_set_read_ahead(context_, 1);  // a record in one system call instead of two
        SSL_CTX_set_default_passwd_cb(context_, &no_passphrase);
        SSL_CTX_set_min_proto_version(
            context_, options_.min_version == TlsVersion::V13 ? TLS1_3_VERSION : TLS1_2_VERSION);
        return set_ciphers();
    }

    [[nodiscard]] bool load_certificate() {
        if (options_.cert_file.empty()) {
            return true;
        }
        if (::access(options_.cert_file.c_str(), R_OK) != 0) {
            return refuse("cert_file", quoted(options_.cert_file) + system_text(errno));
        }
        if (SSL_CTX_use_certificate_chain_file(context_, options_.cert_file.c_str()) != 1) {
            return refuse(
                "cert_file",
                quoted(options_.cert_file) + "holds no usable certificate: " + take_tls_error());
        }
        return load_key();
    }

    [[nodiscard]] bool load_authorities() {
        if (options_.ca_file.empty()) {
            return true;
        }
        if (options_.ca_file == kSystemAuthorities) {
            return SSL_CTX_set_default_verify_paths(context_) == 1 ||
                   refuse("ca_file", "the machine's own authorities cannot be read");
        }
        if (::access(options_.ca_file.c_str(), R_OK) != 0) {
            return refuse("ca_file", quoted(options_.ca_file) + system_text(errno));
        }
        if (SSL_CTX_load_verify_locations(context_, options_.ca_file.c_str(), nullptr) != 1) {
            return refuse(
                "ca_file",
                quoted(options_.ca_file) + "holds no usable certificate: " + take_tls_error());
        }
        return true;
    }

    [[nodiscard]] bool name_authorities_to_clients() {
        if (options_.ca_file.empty() || options_.ca_file == kSystemAuthorities) {
            return true;
        }
        STACK_OF(X509_NAME)* names = SSL_load_client_CA_file(options_.ca_file.c_str());
        if (names == nullptr) {
            return refuse(
                "ca_file",
                quoted(options_.ca_file) + "holds no usable certificate: " + take_tls_error());
        }
        SSL_CTX_set_client_CA_list(context_, names);  // takes them
        return true;
    }

private:
    bool refuse(std::string_view option, std::string text) {
        problem_ = {option, std::move(text)};
        ERR_clear_error();
        return false;
    }

    bool set_ciphers() {
        if (!options_.ciphers.empty() &&
            SSL_CTX_set_cipher_list(context_, options_.ciphers.c_str()) != 1) {
            return refuse("ciphers", "OpenSSL knows none of these; accepted: as `openssl ciphers`");
        }
        if (!options_.tls13_ciphers.empty() &&
            SSL_CTX_set_ciphersuites(context_, options_.tls13_ciphers.c_str()) != 1) {
            return refuse("tls13_ciphers",
                          "OpenSSL does not know one of these; accepted: such as "
                          "TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256");
        }
        std::string curves = options_.ecdh_curve;  // a copy: the macro takes no const text
        if (!curves.empty() && SSL_CTX_set1_groups_list(context_, curves.data()) != 1) {
            return refuse("ecdh_curve",
                          "OpenSSL does not know one of these; accepted: such as X25519:P-256");
        }
        return true;
    }

    bool load_key() {
        const std::string& path = options_.key_file;
        if (const std::string wrong = key_file_problem(path); !wrong.empty()) {
            return refuse("key_file", quoted(path) + wrong);
        }
        if (::access(path.c_str(), R_OK) != 0) {
            return refuse("key_file", quoted(path) + system_text(errno));
        }
        if (SSL_CTX_use_PrivateKey_file(context_, path.c_str(), SSL_FILETYPE_PEM) != 1) {
            const bool is_other =
                ERR_GET_REASON(ERR_peek_last_error()) == X509_R_KEY_VALUES_MISMATCH;
            return refuse("key_file",
                          quoted(path) + (is_other ? "is not the key of cert_file"
                                                   : "holds no usable key (one with a passphrase "
                                                     "is not): " +
                                                         take_tls_error()));
        }
        if (SSL_CTX_check_private_key(context_) != 1) {
            return refuse("key_file", quoted(path) + "is not the key of cert_file");
        }
        return true;
    }

    SSL_CTX* context_;
    const TlsOptions& options_;
    TlsProblem& problem_;
};

}  // namespace

std::string take_tls_error() {
    const unsigned long error = ERR_peek_last_error();
    ERR_clear_error();
    if (error == 0) {
        return {};
    }
    if (ERR_SYSTEM_ERROR(error)) {
        return std::generic_category().message(ERR_GET_REASON(error));
    }
    const char* reason = ERR_reason_error_string(error);
    return reason != nullptr ? reason : "error " + std::to_string(error);
}

TlsContext::~TlsContext() {
    SSL_CTX_free(context_);
}

TlsContextPtr TlsContext::for_server(const TlsOptions& options,
                                     TlsTrust trust,
                                     TlsProblem& problem) {
    SSL_CTX* context = SSL_CTX_new(TLS_server_method());
    WEIR_CHECK(context != nullptr);
    TlsContextPtr owned{new TlsContext{context}};
    Builder builder{context, options, problem};
    if (!builder.set_common() || !builder.load_certificate() || !builder.load_authorities() ||
        !builder.name_authorities_to_clients()) {
        return nullptr;
    }
    SSL_CTX_set_alpn_select_cb(context, &select_alpn, nullptr);
    switch (trust) {
        case TlsTrust::Ignored: break;
        case TlsTrust::Noted:
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, &let_in);
            break;
        case TlsTrust::Required:
            SSL_CTX_set_verify(
                context,
                SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT | SSL_VERIFY_CLIENT_ONCE,
                nullptr);
            break;
    }
    return owned;
}

TlsContextPtr TlsContext::for_client(const TlsOptions& options,
                                     TlsTrust trust,
                                     TlsProblem& problem) {
    SSL_CTX* context = SSL_CTX_new(TLS_client_method());
    WEIR_CHECK(context != nullptr);
    TlsContextPtr owned{new TlsContext{context}};
    Builder builder{context, options, problem};
    if (!builder.set_common() || !builder.load_certificate() || !builder.load_authorities()) {
        return nullptr;
    }
    WEIR_CHECK(SSL_CTX_set_alpn_protos(context, kAlpn.data(), kAlpn.size()) == 0);
    SSL_CTX_set_verify(
        context, trust == TlsTrust::Required ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    return owned;
}

}  // namespace weir::net
