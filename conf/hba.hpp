#pragma once

#include "conf/name_pattern.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// Who may come in from where and what they must prove, as a file in pg_hba.conf's syntax says;
/// and who is who, as one in pg_ident.conf's does. Plain values.
///
/// @source PostgreSQL 16 manual, "The pg_hba.conf File" and "User Name Maps"
namespace weir::conf {

enum class HbaConnection : std::uint8_t { Local, Host, HostSsl, HostNoSsl, HostGssEnc };

enum class HbaMethod : std::uint8_t { Trust, Reject, Password, Md5, ScramSha256, Cert, Peer };

/// A network; IPv4 in the first four bytes.
struct HbaNetwork {
    bool is_v6 = false;
    std::array<std::uint8_t, 16> address{};
    std::array<std::uint8_t, 16> mask{};

    bool operator==(const HbaNetwork&) const = default;
};

struct HbaAddress {
    enum class Kind : std::uint8_t { All, SameHost, SameNet, Network };

    Kind kind = Kind::All;
    HbaNetwork network = {};  ///< Network

    bool operator==(const HbaAddress&) const = default;
};

/// One word of the database column.
struct HbaDatabase {
    enum class Kind : std::uint8_t { All, SameUser, Replication, Name };

    Kind kind = Kind::All;
    NamePattern name = {};  ///< Name

    bool operator==(const HbaDatabase&) const = default;
};

/// What a client certificate must say on top of the method's own proof (option clientcert).
enum class HbaClientCert : std::uint8_t { Any, VerifyCa, VerifyFull };

struct HbaRule {
    HbaConnection connection = HbaConnection::Local;
    std::vector<HbaDatabase> databases;
    bool is_for_all_users = false;
    std::vector<NamePattern> users;
    HbaAddress address;  ///< not for Local
    HbaMethod method = HbaMethod::Reject;
    HbaClientCert client_cert = HbaClientCert::Any;
    std::string map;    ///< of the ident file; "" = the names must be equal
    std::string place;  ///< "file:line", for the log

    bool operator==(const HbaRule&) const = default;
};

/// One line of an ident file: in map `map`, whom the system calls `system` may be `user`.
struct IdentRule {
    std::string map;
    NamePattern system;
    bool is_for_all_users = false;
    NamePattern user;  ///< may hold \1 where `system` is a regular expression

    bool operator==(const IdentRule&) const = default;
};

/// @return the word of the file: "scram-sha-256"
[[nodiscard]] std::string_view name_of(HbaMethod method);

/// @param map "" = the names must be equal
/// @param system who the client is, as its certificate or the operating system says
/// @param user who it wants to be
[[nodiscard]] bool may_be(const std::vector<IdentRule>& rules,
                          std::string_view map,
                          std::string_view system,
                          std::string_view user);

}  // namespace weir::conf
