#include "proxy/descriptors.hpp"

#include "base/log.hpp"

#include <sys/resource.h>

namespace weir::proxy {

namespace {

/// Listeners, the log, what each event loop and thread keeps open.
constexpr std::uint64_t kOfOurOwn = 16;
constexpr std::uint64_t kOfEachThread = 4;

}  // namespace

std::uint64_t client_connections_max(const conf::Config& config) {
    return config.listen.max_clients + kUnknownClientsMax;
}

std::uint64_t descriptors_needed(const conf::Config& config) {
    std::uint64_t needed = client_connections_max(config) + kOfOurOwn +
                           kOfEachThread * config.listen.threads + config.listen.addresses.size();
    for (const auto& [name, database] : config.databases) {
        const conf::PoolSettings pool = config.pool_for(name, database.user);
        needed += std::uint64_t{pool.max} + pool.reserve;
    }
    return needed;
}

std::uint64_t raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return 0;
    }
    if (const rlimit raised{limit.rlim_max, limit.rlim_max};
        limit.rlim_cur < limit.rlim_max && ::setrlimit(RLIMIT_NOFILE, &raised) == 0) {
        return raised.rlim_cur;
    }
    return limit.rlim_cur;
}

void check_descriptor_limit(const conf::Config& config) {
    const std::uint64_t limit = raise_descriptor_limit();
    const std::uint64_t needed = descriptors_needed(config);
    if (limit < needed) {
        log::warn("descriptor_limit_low", {{"limit", limit}, {"may_need", needed}});
    }
}

}  // namespace weir::proxy
