#pragma once

#include "base/clock.hpp"
#include "policies/breaker_gate.hpp"
#include "pool/cluster_view.hpp"
#include "pool/pool.hpp"
#include "pool/session_settings.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace weir::proxy {

/// What there is to know of a client whose reads may go to replicas.
///
/// A request that is provably a read is kept while it may have to be run elsewhere: a replica
/// refuses what writes after all, and may be lost. Its replies are held back until then
/// (pool::ReplyHold).
struct ClientRoute {
    /// Longer requests go to the primary.
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

    pool::Pool* lender = nullptr;            ///< nullptr = its own pool, the primary's
    std::shared_ptr<pool::MemberLoad> load;  ///< of the lender's member
    bool sees_own_writes = true;             ///< database.read_your_writes
    bool is_read = false;                    ///< the request under way is a proven read
    bool is_sent = false;                    ///< the whole of it has been passed on
    std::uint64_t digest = 0;                ///< of the request under way
    std::vector<std::byte> kept;             ///< the request, while it may have to be run elsewhere
    std::size_t consumed = 0;                ///< of that, has been passed on
    std::vector<std::byte> pending;          ///< to be passed on before anything else
    TimePoint wrote_at = TimePoint::min();   ///< when its last write was committed, or may be
    pool::SettingsPtr read_by;               ///< for which is_plain holds
    bool is_plain = false;                   ///< whether its text means what it seems to
};

}  // namespace weir::proxy
