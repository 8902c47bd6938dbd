#include "base/status.hpp"

#include <algorithm>
#include <cstddef>

namespace weir::status {

void CacheRule::add(const CacheRule& other) {
    source = other.source;
    hits += other.hits;
    misses += other.misses;
    saved_us += other.saved_us;
    is_in_force = is_in_force || other.is_in_force;
}

void Pool::add(const Pool& other) {
    clients_active += other.clients_active;
    clients_idle += other.clients_idle;
    clients_waiting += other.clients_waiting;
    application_waiting += other.application_waiting;
    clients_active_cancel += other.clients_active_cancel;
    clients_waiting_cancel += other.clients_waiting_cancel;
    backends_active += other.backends_active;
    backends_active_cancel += other.backends_active_cancel;
    backends_being_canceled += other.backends_being_canceled;
    backends_idle += other.backends_idle;
    backends_used += other.backends_used;
    backends_tested += other.backends_tested;
    backends_login += other.backends_login;
    longest_wait_us = std::max(longest_wait_us, other.longest_wait_us);
    assignments += other.assignments;
    transactions += other.transactions;
    statements += other.statements;
    bytes_received += other.bytes_received;
    bytes_sent += other.bytes_sent;
    transaction_us += other.transaction_us;
    statement_us += other.statement_us;
    wait_us += other.wait_us;
    client_parses += other.client_parses;
    backend_parses += other.backend_parses;
    binds += other.binds;
    logins += other.logins;
    failures += other.failures;
    wait_sum_us += other.wait_sum_us;
    for (std::size_t i = 0; i < events.size(); ++i) {
        events[i] += other.events[i];
    }
    for (std::size_t i = 0; i < wait_buckets.size(); ++i) {
        wait_buckets[i] += other.wait_buckets[i];
    }
}

std::string_view name_of(RedisState state) {
    switch (state) {
        case RedisState::Off: return "off";
        case RedisState::Down: return "down";
        case RedisState::Up: return "up";
    }
    return "";
}

std::uint64_t Cache::redis_error_count() const {
    std::uint64_t count = 0;
    for (const auto& [kind, errors] : redis_errors) {
        count += errors;
    }
    return count;
}

}  // namespace weir::status
