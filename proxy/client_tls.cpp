// The part of ClientSession that gets the client inside TLS.

#include "base/log.hpp"
#include "conf/hba.hpp"
#include "net/own_networks.hpp"
#include "net/socket.hpp"
#include "proxy/client_session.hpp"
#include "proxy/hba_match.hpp"
#include "proxy/worker.hpp"

#include <memory>
#include <string>

namespace weir::proxy {

namespace {

/// A TLS record that carries a handshake. As the first byte of a startup packet it would announce
/// 350 MB.
constexpr std::byte kHandshakeRecord{0x16};
/// SSLRequest and GSSENCRequest, each once; PostgreSQL allows no more either.
constexpr int kEncryptionRequestsMax = 2;

/// @return the map of auth.ident_file that this client's certificate goes through; "" = none
std::string map_of(const conf::Config& config, const ClientFacts& facts) {
    if (config.auth.method == conf::AuthMethod::Hba) {
        const conf::HbaRule* rule = find_rule(config.hba, facts, net::own_networks);
        if (rule != nullptr && rule->method == conf::HbaMethod::Cert) {
            return rule->map;
        }
    }
    return config.auth.cert_map;
}

/// @return whether the certificate's name is the user's, or its map lets it be
bool names_user(const conf::Config& config, const ClientFacts& facts) {
    const std::string& name = facts.certificate_name;
    return name == facts.user ||
           conf::may_be(config.ident, map_of(config, facts), name, facts.user);
}

}  // namespace

bool ClientSession::offers_tls() const {
    return worker_.tls().client != nullptr &&
           net::local_name(stream_.fd()).address != net::kUnixName;
}

bool ClientSession::is_tls_hello(std::byte first) const {
    return first == kHandshakeRecord && login_->encryption_requests == 0 &&
           stream_.tls() == nullptr;
}

/// @param rest what has come behind it
void ClientSession::on_encryption_request(protocol::StartupKind kind, ByteView rest) {
    if (++login_->encryption_requests > kEncryptionRequestsMax || stream_.tls() != nullptr) {
        login_failed(sqlstate::kProtocolViolation, "too many encryption requests", "malformed");
    } else if (kind == protocol::StartupKind::SslRequest && offers_tls()) {
        begin_tls(rest);
    } else {
        stream_.write(as_bytes("N"));
    }
}

/// @param rest what has come behind the SSLRequest
void ClientSession::begin_tls(ByteView rest) {
    if (!rest.empty()) {
        // Who sends on before the answer was either not waiting for it, or somebody put words into
        // its mouth that would later pass for encrypted ones (CVE-2021-23214).
        login_failed(sqlstate::kProtocolViolation,
                     "received unencrypted data after SSL request",
                     "malformed");
        return;
    }
    stream_.write(as_bytes("S"));
    if (stream_.unsent() > 0) {
        close();  // it reads not even one byte
        return;
    }
    stream_.start_tls(
        std::make_unique<net::TlsChannel>(worker_.tls().client, stream_.fd(), ByteView{}));
}

/// PostgreSQL 17's sslnegotiation=direct: no SSLRequest, and ALPN so that nobody can be made to
/// talk to us by mistake.
/// @param received the beginning of the handshake
void ClientSession::begin_direct_tls(ByteView received) {
    if (!offers_tls()) {
        worker_.count_failed_login("tls");
        close();  // it would not understand words
        return;
    }
    login_->is_direct_tls = true;
    stream_.start_tls(
        std::make_unique<net::TlsChannel>(worker_.tls().client, stream_.fd(), received));
}

void ClientSession::on_secured() {
    if (login_ != nullptr && login_->is_direct_tls && !stream_.tls()->has_alpn()) {
        log::info("tls_without_alpn", {{"client", id_}, {"address", client_name().address}});
        worker_.count_failed_login("tls");
        close();
    }
}

/// The connection has ended: if that was in the handshake, somebody may want to know why.
void ClientSession::note_failed_handshake() {
    if (stream_.tls() == nullptr || stream_.tls()->is_ready()) {
        return;
    }
    static thread_local log::RateLimit limit;
    worker_.count_failed_login("tls");
    if (const std::int64_t held_back = limit.admit(); held_back >= 0) {
        const std::string& problem = stream_.tls()->problem();
        log::info("tls_handshake_failed",
                  {{"client", id_},
                   {"reason", problem.empty() ? "closed by peer" : problem},
                   {"held_back", held_back}});
    }
}

/// @return false after refusing a client whose connection is not what [tls.client] asks for
bool ClientSession::is_secure_enough(const ClientFacts& facts) {
    const conf::TlsMode mode = worker_.config().tls_client.mode;
    if (mode < conf::TlsMode::Require || facts.is_unix) {
        return true;
    }
    if (!facts.is_tls) {
        login_failed(sqlstate::kInvalidAuthorizationSpecification, "SSL required", "tls");
        return false;
    }
    // Who began before a reload asked for more has shown less.
    const bool is_known = mode < conf::TlsMode::VerifyCa || facts.has_certificate;
    const bool is_named = mode < conf::TlsMode::VerifyFull || names_user(worker_.config(), facts);
    if (!is_known || !is_named) {
        login_failed(sqlstate::kInvalidAuthorizationSpecification,
                     "certificate authentication failed for user \"" + facts.user + "\"",
                     "tls");
        return false;
    }
    return true;
}

}  // namespace weir::proxy
