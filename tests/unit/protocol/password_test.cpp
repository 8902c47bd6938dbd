#include "protocol/password.hpp"

#include "protocol/scram.hpp"

#include <doctest/doctest.h>

#include <array>

namespace weir::protocol {
namespace {

// md5("secretann"), and md5 of those digits with the salt 01 02 03 04, from coreutils' md5sum.
constexpr std::string_view kStored = "md59d792a3a8853c2411afb9163d088c036";
constexpr std::string_view kResponse = "md59009ce60b9ca97f1e752376843d1309e";
const std::array kSalt{std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};

TEST_SUITE("password") {
    TEST_CASE("md5: stored form and answer to a salt") {
        CHECK(md5_password("ann", "secret") == kStored);
        CHECK(md5_response(kStored, kSalt) == kResponse);
    }

    TEST_CASE("kind of secret: only what is a hash in full is one") {
        CHECK(kind_of(kStored) == SecretKind::Md5);
        CHECK(kind_of("") == SecretKind::Plain);
        CHECK(kind_of("md5") == SecretKind::Plain);
        CHECK(kind_of("md5D41D8CD98F00B204E9800998ECF8427E") == SecretKind::Plain);
        CHECK(kind_of("md5d41d8cd98f00b204e9800998ecf8427") == SecretKind::Plain);
        CHECK(kind_of("md5d41d8cd98f00b204e9800998ecf8427e0") == SecretKind::Plain);
        CHECK(kind_of("SCRAM-SHA-256$4096:abc") == SecretKind::Plain);
        // From PostgreSQL's regression test "password".
        CHECK(
            kind_of(
                "SCRAM-SHA-256$4096:VLK4RMaQLCvNtQ==$6YtlR4t69SguDiwFvbVgVZtuz6gpJQQqUMZ7IQJK5yI=:"
                "ps75jrHeYU4lXCcXI4O8oIdJ3eO8o2jirjruw9phBTo=") == SecretKind::Scram);
    }

    TEST_CASE("cleartext password: compared with every kind of secret") {
        const std::array salt{std::byte{9}, std::byte{8}};
        const std::string scram = ScramVerifier::derive("secret", salt, 2).text();
        for (const std::string_view stored :
             {std::string_view{"secret"}, kStored, std::string_view{scram}}) {
            CAPTURE(stored);
            CHECK(password_matches(stored, "ann", "secret"));
            CHECK(!password_matches(stored, "ann", "Secret"));
            CHECK(!password_matches(stored, "ann", "secret "));
            CHECK(!password_matches(stored, "ann", ""));
        }
        CHECK(!password_matches(kStored, "bob", "secret"));
        CHECK(!password_matches(kStored, "ann", kStored));
        CHECK(!password_matches(scram, "ann", scram));
        CHECK(!password_matches("", "ann", ""));
    }
}

}  // namespace
}  // namespace weir::protocol
