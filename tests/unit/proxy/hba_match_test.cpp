#include "proxy/hba_match.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace weir;
using conf::HbaAddress;
using conf::HbaConnection;
using conf::HbaDatabase;
using conf::HbaMethod;
using conf::HbaRule;
using proxy::ClientFacts;

namespace {

ClientFacts client(std::string address, bool is_tls = false) {
    ClientFacts facts;
    facts.is_unix = address == "unix";
    facts.address = std::move(address);
    facts.is_tls = is_tls;
    facts.database = "shop";
    facts.user = "app";
    return facts;
}

HbaRule rule(HbaConnection connection, HbaAddress address = {}) {
    HbaRule made;
    made.connection = connection;
    made.databases = {{HbaDatabase::Kind::All}};
    made.is_for_all_users = true;
    made.address = address;
    made.method = HbaMethod::Trust;
    return made;
}

HbaAddress network(bool is_v6,
                   std::array<std::uint8_t, 16> address,
                   std::array<std::uint8_t, 16> mask) {
    return {HbaAddress::Kind::Network, {is_v6, address, mask}};
}

std::vector<net::OwnNetwork> own() {
    return {{false, {192, 168, 7, 5}, {255, 255, 255, 0}},
            {true, {0xfd, 1}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}}};
}

bool fits(const HbaRule& made, const ClientFacts& facts) {
    return proxy::find_rule({made}, facts, own) != nullptr;
}

}  // namespace

TEST_SUITE("hba match") {
    TEST_CASE("hba match: the kind of connection") {
        const auto fits_row = [](HbaConnection connection) {
            return std::string{fits(rule(connection), client("unix")) ? "u" : "-"} +
                   (fits(rule(connection), client("10.0.0.1")) ? "p" : "-") +
                   (fits(rule(connection), client("10.0.0.1", /*is_tls=*/true)) ? "t" : "-");
        };
        CHECK(fits_row(HbaConnection::Local) == "u--");
        CHECK(fits_row(HbaConnection::Host) == "-pt");
        CHECK(fits_row(HbaConnection::HostSsl) == "--t");
        CHECK(fits_row(HbaConnection::HostNoSsl) == "-p-");
        CHECK(fits_row(HbaConnection::HostGssEnc) == "---");
    }

    TEST_CASE("hba match: networks, whole addresses and IPv4 in IPv6's clothes") {
        const HbaRule v4 =
            rule(HbaConnection::Host, network(/*is_v6=*/false, {10, 1, 0, 0}, {255, 255}));
        CHECK(fits(v4, client("10.1.2.3")));
        CHECK(fits(v4, client("::ffff:10.1.2.3")));
        CHECK_FALSE(fits(v4, client("10.2.2.3")));
        CHECK_FALSE(fits(v4, client("fd01::1")));
        CHECK_FALSE(fits(v4, client("")));
        CHECK_FALSE(fits(v4, client("10.1.2.3.evil")));
        const HbaRule v6 =
            rule(HbaConnection::Host, network(/*is_v6=*/true, {0xfd, 1}, {0xff, 0xff, 0xff, 0xff}));
        CHECK(fits(v6, client("fd01::1")));
        CHECK_FALSE(fits(v6, client("fd01:1::1")));
        CHECK_FALSE(fits(v6, client("10.1.2.3")));
    }

    TEST_CASE("hba match: this machine and its networks") {
        const HbaRule host = rule(HbaConnection::Host, {HbaAddress::Kind::SameHost});
        const HbaRule net = rule(HbaConnection::Host, {HbaAddress::Kind::SameNet});
        CHECK(fits(host, client("192.168.7.5")));
        CHECK_FALSE(fits(host, client("192.168.7.6")));
        CHECK(fits(net, client("192.168.7.6")));
        CHECK_FALSE(fits(net, client("192.168.8.6")));
        CHECK(fits(net, client("fd01::9")));
        CHECK_FALSE(fits(net, client("fd02::9")));
        CHECK_FALSE(net::own_networks().empty());
    }

    TEST_CASE("hba match: databases, and replication as one of its own") {
        const auto with = [](HbaDatabase database) {
            HbaRule made = rule(HbaConnection::Host);
            made.databases = {std::move(database)};
            return made;
        };
        using Kind = HbaDatabase::Kind;
        const auto named = [](const char* name) {
            return HbaDatabase{Kind::Name, conf::NamePattern::exactly(name)};
        };
        ClientFacts facts = client("10.0.0.1");
        CHECK(fits(with({Kind::All}), facts));
        CHECK(fits(with(named("shop")), facts));
        CHECK_FALSE(fits(with(named("sho")), facts));
        CHECK_FALSE(fits(with({Kind::SameUser}), facts));
        CHECK_FALSE(fits(with({Kind::Replication}), facts));
        facts.user = "shop";
        CHECK(fits(with({Kind::SameUser}), facts));
        facts.replication = ClientFacts::Replication::Logical;
        CHECK(fits(with(named("shop")), facts));
        CHECK_FALSE(fits(with({Kind::Replication}), facts));
        facts.replication = ClientFacts::Replication::Physical;
        CHECK_FALSE(fits(with({Kind::All}), facts));
        CHECK_FALSE(fits(with(named("shop")), facts));
        CHECK(fits(with({Kind::Replication}), facts));
    }

    TEST_CASE("hba match: the first rule that fits counts, and nobody is nobody") {
        HbaRule first = rule(HbaConnection::Host);
        first.is_for_all_users = false;
        first.users = {conf::NamePattern::exactly("app")};
        HbaRule second = rule(HbaConnection::Host);
        second.method = HbaMethod::Reject;
        const std::vector<HbaRule> rules = {first, second};
        CHECK(proxy::find_rule(rules, client("10.0.0.1"), own) == &rules[0]);
        ClientFacts other = client("10.0.0.1");
        other.user = "other";
        CHECK(proxy::find_rule(rules, other, own) == &rules[1]);
        first.users.clear();
        CHECK_FALSE(fits(first, client("10.0.0.1")));
    }

    TEST_CASE("hba match: refusals are PostgreSQL's") {
        const HbaRule reject = rule(HbaConnection::Host);
        ClientFacts facts = client("10.0.0.1", /*is_tls=*/true);
        CHECK(proxy::rejection_text(nullptr, facts) ==
              "no pg_hba.conf entry for host \"10.0.0.1\", user \"app\", database \"shop\", SSL "
              "encryption");
        CHECK(proxy::rejection_text(&reject, client("unix")) ==
              "pg_hba.conf rejects connection for host \"[local]\", user \"app\", database "
              "\"shop\", no encryption");
        facts.replication = ClientFacts::Replication::Physical;
        CHECK(proxy::rejection_text(&reject, facts) ==
              "pg_hba.conf rejects replication connection from host \"10.0.0.1\", user \"app\", "
              "SSL encryption");
    }
}
