#pragma once

#include "base/clock.hpp"
#include "conf/policy_settings.hpp"
#include "policies/breaker_gate.hpp"
#include "pool/cluster_view.hpp"
#include "pool/counters.hpp"
#include "pool/pool.hpp"
#include "pool/session_settings.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace weir::proxy {

/// A call to a member, as its circuit breaker counts it: from when a backend is wanted until all
/// that was asked has been answered.
struct MemberCall {
    std::shared_ptr<pool::MemberLoad> member;  ///< nullptr: there is none under way
    policies::TrialPhase trial = policies::kNoTrial;
    TimePoint began_at{};
};

/// What there is to know of a client of a cluster that has several members.
///
/// Where reads may go to replicas, a request is kept while it may have to be run once more: a
/// replica refuses what writes after all, a member may be lost, a transaction of one statement may
/// be rolled back. Its replies are held back until then (pool::ReplyHold).
struct ClientRoute {
    /// Longer requests are not kept, and go to the primary.
    static constexpr std::size_t kKeptBytesMax = std::size_t{64} * 1024;

    ClientRoute() = default;
    ClientRoute(const ClientRoute&) = delete;
    ClientRoute& operator=(const ClientRoute&) = delete;
    ClientRoute(ClientRoute&&) = delete;
    ClientRoute& operator=(ClientRoute&&) = delete;

    ~ClientRoute() { leave(); }

    /// A backend is wanted of this replica's pool.
    void enter(pool::Pool& pool, std::shared_ptr<pool::MemberLoad> its_load) {
        leave();
        lender = &pool;
        load = std::move(its_load);
        load->leased.fetch_add(1, std::memory_order_relaxed);
    }

    /// None is wanted, or held, of a replica any more.
    /// @return whose it was; nullptr: it was none
    pool::Pool* leave() {
        if (load != nullptr) {
            load->leased.fetch_sub(1, std::memory_order_relaxed);
            load.reset();
        }
        return std::exchange(lender, nullptr);
    }

    /// The request under way is over.
    void forget_request() {
        constexpr std::size_t kRetainedMax = 2048;
        is_read = is_sent = false;
        healings =
            0;  // the next one may run on the same backend, and begin_request() not be called
        kept.clear();
        if (kept.capacity() > kRetainedMax) {
            kept.shrink_to_fit();
        }
    }

    /// Another request begins.
    void begin_request() {
        call = {};
        is_read = is_transaction = stays_on_primary = is_sent = is_pausing = false;
        is_one_transaction = is_proven = true;
        consumed = 0;
        kept.clear();
        avoided.clear();
        refusals = losses = rollbacks = healings = 0;
        retried.reset();
    }

    /// @return whether that replica has failed this request
    [[nodiscard]] bool avoids(const std::shared_ptr<pool::MemberLoad>& replica) const {
        return std::find(avoided.begin(), avoided.end(), replica) != avoided.end();
    }

    /// @return whether what has run may have changed something that the client is to see
    [[nodiscard]] bool may_have_written() const {
        return lender == nullptr && !(is_read && is_proven);
    }

    pool::Pool* lender = nullptr;                      ///< nullptr = its own pool, the primary's
    std::shared_ptr<pool::MemberLoad> load;            ///< of the lender's member
    MemberCall call;                                   ///< under way
    bool is_split = false;                             ///< database.read_write_split
    bool heals_partitions = false;                     ///< what its rows miss is made
    bool sees_own_writes = true;                       ///< database.read_your_writes
    std::shared_ptr<const conf::RetrySettings> retry;  ///< for the request under way
    std::shared_ptr<const conf::RetrySettings> next_retry;  ///< for the next one
    TimePoint wrote_at = TimePoint::min();  ///< when its last write was committed, or may be

    // The request under way:
    bool is_read = false;            ///< it is a proven read
    bool is_transaction = false;     ///< it begins one that says READ ONLY
    bool stays_on_primary = false;   ///< a hint or a rule wants it
    bool is_proven = true;           ///< where it is a read: not by a hint or a rule alone
    bool is_one_transaction = true;  ///< what fails of it is undone as a whole
    bool is_sent = false;            ///< the whole of it has been passed on
    bool is_pausing = false;         ///< until it is tried again
    bool is_replaying = false;       ///< what is passed on now has been passed on before
    std::uint64_t digest = 0;
    std::vector<std::byte> kept;     ///< all of it, while it may have to be run once more
    std::size_t consumed = 0;        ///< of that, has been passed on
    std::vector<std::byte> pending;  ///< to be passed on before anything else
    std::vector<std::shared_ptr<pool::MemberLoad>> avoided;  ///< of replicas that have failed it
    unsigned refusals = 0;   ///< replicas that had no backend for it
    unsigned losses = 0;     ///< of the member that ran it
    unsigned rollbacks = 0;  ///< with 40001, 40P01 or the like
    unsigned healings = 0;   ///< partitions it has waited for
    std::optional<pool::RetryKind> retried;
};

}  // namespace weir::proxy
