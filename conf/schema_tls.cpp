#include "conf/field.hpp"
#include "conf/schema_parts.hpp"

#include <array>

namespace weir::conf::detail {

namespace {

constexpr std::array<std::string_view, 6> kTlsModes{
    "disable", "allow", "prefer", "require", "verify-ca", "verify-full"};
constexpr std::array<std::string_view, 2> kTlsVersions{"1.2", "1.3"};

constexpr std::array kSettings{
    Setting{.section = Section::TlsClient,
            .key = "mode",
            .kind = Kind::Choice,
            .default_text = "disable",
            .choices = kTlsModes,
            .effect = Effect::Reload,
            .doc = "disable: clients that ask for TLS are told no. allow, prefer: who asks gets "
                   "it. require: who does not is refused with \"SSL required\". verify-ca: also a "
                   "certificate that ca_file vouches for. verify-full: also one whose common name "
                   "is the user. Unix sockets never have TLS, and need none.",
            .field = field<&TlsSettings::mode>()},
    Setting{.section = Section::TlsServer,
            .key = "mode",
            .kind = Kind::Choice,
            .default_text = "prefer",
            .choices = kTlsModes,
            .effect = Effect::Reload,
            .doc = "libpq's sslmode. disable: never. allow: only when the server refuses without. "
                   "prefer: unless the server has none, or refuses it. require: always. verify-ca: "
                   "and the server's certificate must lead to ca_file. verify-full: and must be "
                   "for the host name of the address.",
            .field = field<&TlsSettings::mode>(),
            .override_field = field<&TlsOverrides::mode>()},
    Setting{.section = Section::TlsClient,
            .key = "ca_file",
            .effect = Effect::Reload,
            .doc = "Certificates of the authorities that vouch for clients (PEM), or \"system\" "
                   "for the machine's own. With it, verified certificates are known in every mode.",
            .field = field<&TlsSettings::ca_file>()},
    Setting{.section = Section::TlsServer,
            .key = "ca_file",
            .effect = Effect::Reload,
            .doc = "Certificates of the authorities that vouch for the server (PEM), or \"system\" "
                   "for the machine's own. With it the server's certificate is checked in every "
                   "mode, as with libpq.",
            .field = field<&TlsSettings::ca_file>(),
            .override_field = field<&TlsOverrides::ca_file>()},
    Setting{.section = Section::TlsClient,
            .key = "cert_file",
            .effect = Effect::Reload,
            .doc = "Weir's own certificate, and the chain behind it (PEM). A relative path starts "
                   "at the folder of the configuration file, as for the other files.",
            .field = field<&TlsSettings::cert_file>()},
    Setting{.section = Section::TlsServer,
            .key = "cert_file",
            .effect = Effect::Reload,
            .doc = "A certificate to show to PostgreSQL (PEM), for its cert authentication.",
            .field = field<&TlsSettings::cert_file>(),
            .override_field = field<&TlsOverrides::cert_file>()},
    Setting{.section = Section::TlsClient,
            .key = "key_file",
            .effect = Effect::Reload,
            .doc = "The key of that certificate (PEM, without a passphrase). Others must not be "
                   "able to read it: permissions 0600, or 0640 when it is root's.",
            .field = field<&TlsSettings::key_file>()},
    Setting{.section = Section::TlsServer,
            .key = "key_file",
            .effect = Effect::Reload,
            .doc = "The key of that certificate; permissions as for tls.client.key_file.",
            .field = field<&TlsSettings::key_file>(),
            .override_field = field<&TlsOverrides::key_file>()},
    Setting{.section = Section::TlsClient,
            .key = "min_version",
            .kind = Kind::Choice,
            .default_text = "1.2",
            .choices = kTlsVersions,
            .effect = Effect::Reload,
            .doc = "The oldest version of TLS that is spoken.",
            .field = field<&TlsSettings::min_version>()},
    Setting{.section = Section::TlsServer,
            .key = "min_version",
            .kind = Kind::Choice,
            .default_text = "1.2",
            .choices = kTlsVersions,
            .effect = Effect::Reload,
            .doc = "The oldest version of TLS that is spoken.",
            .field = field<&TlsSettings::min_version>(),
            .override_field = field<&TlsOverrides::min_version>()},
    Setting{.section = Section::TlsClient,
            .key = "ciphers",
            .effect = Effect::Reload,
            .doc = "Ciphers of TLS 1.2 in OpenSSL's language, such as \"ECDHE+AESGCM\"; empty: "
                   "OpenSSL's default.",
            .field = field<&TlsSettings::ciphers>()},
    Setting{.section = Section::TlsServer,
            .key = "ciphers",
            .effect = Effect::Reload,
            .doc = "Ciphers of TLS 1.2 in OpenSSL's language; empty: OpenSSL's default.",
            .field = field<&TlsSettings::ciphers>(),
            .override_field = field<&TlsOverrides::ciphers>()},
    Setting{.section = Section::TlsClient,
            .key = "tls13_ciphers",
            .effect = Effect::Reload,
            .doc = "Ciphers of TLS 1.3, such as \"TLS_AES_256_GCM_SHA384:TLS_AES_128_GCM_SHA256\"; "
                   "empty: OpenSSL's default.",
            .field = field<&TlsSettings::tls13_ciphers>()},
    Setting{.section = Section::TlsServer,
            .key = "tls13_ciphers",
            .effect = Effect::Reload,
            .doc = "Ciphers of TLS 1.3; empty: OpenSSL's default.",
            .field = field<&TlsSettings::tls13_ciphers>(),
            .override_field = field<&TlsOverrides::tls13_ciphers>()},
    Setting{
        .section = Section::TlsClient,
        .key = "ecdh_curve",
        .effect = Effect::Reload,
        .doc = "Groups for the key exchange, such as \"X25519:P-256\"; empty: OpenSSL's default.",
        .field = field<&TlsSettings::ecdh_curve>()},
};

}  // namespace

std::span<const Setting> tls_settings() {
    return kSettings;
}

}  // namespace weir::conf::detail
