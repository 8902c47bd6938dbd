#include "proxy/hba_match.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <optional>

namespace weir::proxy {

using conf::HbaAddress;
using conf::HbaConnection;
using conf::HbaDatabase;
using conf::HbaRule;

namespace {

using AddressBytes = std::array<std::uint8_t, 16>;

constexpr std::size_t kV4Bytes = 4;
constexpr std::size_t kV6Bytes = 16;

struct Numeric {
    bool is_v6 = false;
    AddressBytes bytes{};
};

/// @return nothing for "unix"; IPv4 also for an IPv4 address in IPv6's clothes
std::optional<Numeric> numeric(const std::string& text) {
    constexpr std::array<std::uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    Numeric address;
    if (::inet_pton(AF_INET, text.c_str(), address.bytes.data()) == 1) {
        return address;
    }
    if (::inet_pton(AF_INET6, text.c_str(), address.bytes.data()) != 1) {
        return std::nullopt;
    }
    address.is_v6 = !std::equal(kMapped.begin(), kMapped.end(), address.bytes.begin());
    if (!address.is_v6) {
        std::copy_n(address.bytes.begin() + kMapped.size(), kV4Bytes, address.bytes.begin());
    }
    return address;
}

bool is_within(const Numeric& address, const AddressBytes& network, const AddressBytes& mask) {
    const std::size_t bytes = address.is_v6 ? kV6Bytes : kV4Bytes;
    for (std::size_t i = 0; i < bytes; ++i) {
        if (((address.bytes[i] ^ network[i]) & mask[i]) != 0) {
            return false;
        }
    }
    return true;
}

bool fits_own(HbaAddress::Kind kind, const Numeric& address, const OwnNetworks& own_networks) {
    constexpr AddressBytes kWhole{0xff,
                                  0xff,
                                  0xff,
                                  0xff,
                                  0xff,
                                  0xff,
                                  0xff,
                                  0xff,
                                  0xff,
                                  0xff,
                                  0xff,
                                  0xff,
                                  0xff,
                                  0xff,
                                  0xff,
                                  0xff};
    const std::vector<net::OwnNetwork> own = own_networks();
    return std::any_of(own.begin(), own.end(), [&](const net::OwnNetwork& network) {
        return network.is_v6 == address.is_v6 &&
               is_within(address,
                         network.address,
                         kind == HbaAddress::Kind::SameHost ? kWhole : network.mask);
    });
}

bool fits_connection(const HbaRule& rule, const ClientFacts& facts) {
    switch (rule.connection) {
        case HbaConnection::Local: return facts.is_unix;
        case HbaConnection::Host: return !facts.is_unix;
        case HbaConnection::HostSsl: return !facts.is_unix && facts.is_tls;
        case HbaConnection::HostNoSsl: return !facts.is_unix && !facts.is_tls;
        case HbaConnection::HostGssEnc: return false;
    }
    return false;
}

bool fits_address(const HbaRule& rule,
                  const std::optional<Numeric>& address,
                  const OwnNetworks& own_networks) {
    if (rule.connection == HbaConnection::Local || rule.address.kind == HbaAddress::Kind::All) {
        return true;
    }
    if (!address) {
        return false;
    }
    if (rule.address.kind != HbaAddress::Kind::Network) {
        return fits_own(rule.address.kind, *address, own_networks);
    }
    const conf::HbaNetwork& network = rule.address.network;
    return network.is_v6 == address->is_v6 && is_within(*address, network.address, network.mask);
}

/// Who asks for the whole server's WAL asks for no database: only "replication" fits.
bool fits_database(const HbaDatabase& wanted, const ClientFacts& facts) {
    const bool is_physical = facts.replication == ClientFacts::Replication::Physical;
    if (is_physical || wanted.kind == HbaDatabase::Kind::Replication) {
        return is_physical && wanted.kind == HbaDatabase::Kind::Replication;
    }
    switch (wanted.kind) {
        case HbaDatabase::Kind::All: return true;
        case HbaDatabase::Kind::SameUser: return facts.database == facts.user;
        case HbaDatabase::Kind::Replication: return false;
        case HbaDatabase::Kind::Name: return wanted.name.matches(facts.database);
    }
    return false;
}

bool fits_user(const HbaRule& rule, const ClientFacts& facts) {
    return rule.is_for_all_users ||
           std::any_of(rule.users.begin(), rule.users.end(), [&](const conf::NamePattern& user) {
               return user.matches(facts.user);
           });
}

}  // namespace

const HbaRule* find_rule(const std::vector<HbaRule>& rules,
                         const ClientFacts& facts,
                         const OwnNetworks& own_networks) {
    const auto address = facts.is_unix ? std::nullopt : numeric(facts.address);
    const auto found = std::find_if(rules.begin(), rules.end(), [&](const HbaRule& rule) {
        return fits_connection(rule, facts) && fits_user(rule, facts) &&
               std::any_of(
                   rule.databases.begin(),
                   rule.databases.end(),
                   [&](const HbaDatabase& wanted) { return fits_database(wanted, facts); }) &&
               fits_address(rule, address, own_networks);
    });
    return found == rules.end() ? nullptr : &*found;
}

std::string rejection_text(const HbaRule* rule, const ClientFacts& facts) {
    const bool is_physical = facts.replication == ClientFacts::Replication::Physical;
    std::string text = rule == nullptr ? "no pg_hba.conf entry for " : "pg_hba.conf rejects ";
    if (is_physical) {
        text += "replication connection from ";
    } else if (rule != nullptr) {
        text += "connection for ";
    }
    text +=
        "host \"" + (facts.is_unix ? "[local]" : facts.address) + "\", user \"" + facts.user + "\"";
    if (!is_physical) {
        text += ", database \"" + facts.database + "\"";
    }
    return text + (facts.is_tls ? ", SSL encryption" : ", no encryption");
}

}  // namespace weir::proxy
