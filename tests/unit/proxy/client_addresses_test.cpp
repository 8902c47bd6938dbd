#include "proxy/client_addresses.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>

using weir::proxy::ClientAddresses;

TEST_SUITE("client addresses") {
    TEST_CASE("client addresses: each is asked for once, until another one takes its place") {
        ClientAddresses addresses;
        int asked = 0;
        const auto of = [&](std::uint64_t client) {
            return addresses.of(client, [&] {
                ++asked;
                return std::to_string(client);
            });
        };
        for (int round = 0; round < 3; ++round) {
            for (std::uint64_t client = 1; client <= 256; ++client) {
                CHECK(of(client) == std::to_string(client));
            }
        }
        CHECK(asked == 256);
        CHECK(of(257) == "257");
        CHECK(of(1) == "1");
        CHECK(asked == 258);
    }
}
