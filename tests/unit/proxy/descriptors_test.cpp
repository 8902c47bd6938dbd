#include "proxy/descriptors.hpp"

#include <doctest/doctest.h>

#include <sys/resource.h>

namespace weir::proxy {
namespace {

TEST_SUITE("descriptors") {
    TEST_CASE("descriptors: clients, those not known yet, and every database's pool are counted") {
        conf::Config config;
        config.listen.max_clients = 1000;
        config.pool.max = 30;
        config.pool.reserve = 5;
        CHECK(client_connections_max(config) == 1000 + kUnknownClientsMax);
        const std::uint64_t without_pools = descriptors_needed(config);
        CHECK(without_pools >= client_connections_max(config));
        config.databases["app"].name = "app";
        config.databases["*"].pool.max = 100;
        CHECK(descriptors_needed(config) == without_pools + 30 + 5 + 100 + 5);
    }

    TEST_CASE("descriptors: the limit is raised as far as it may be") {
        rlimit before{};
        REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
        const rlimit lowered{before.rlim_cur / 2, before.rlim_max};
        REQUIRE(::setrlimit(RLIMIT_NOFILE, &lowered) == 0);
        CHECK(raise_descriptor_limit() == before.rlim_max);
        CHECK(::setrlimit(RLIMIT_NOFILE, &before) == 0);
    }
}

}  // namespace
}  // namespace weir::proxy
