// The part of ClientCache that asks Redis before the server is asked, and tells it what was read.

#include "cache/redis/shared_results.hpp"
#include "protocol/one_result.hpp"
#include "proxy/client_cache.hpp"
#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace weir::proxy {

using protocol::TransactionStatus;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

namespace {

std::int64_t wall_clock_ms() {
    return duration_cast<milliseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
}

/// @param room for it, where it is in more than one piece
ByteView in_one(std::span<const ByteView> pieces, std::string& room) {
    if (pieces.size() == 1) {
        return pieces.front();
    }
    for (const ByteView piece : pieces) {
        room += as_text(piece);
    }
    return as_bytes(room);
}

}  // namespace

/// One read, as Redis knows it.
struct ClientCache::SharedRead {
    cache::Leader leader;  // until it goes on
    std::uint64_t digest = 0;
    Duration fresh_for{};
    cache::DatabasePtr database;
    std::string key;
    std::vector<cache::TableId> tables;
    std::optional<cache::SharedVersions> versions;  // from before the statement is sent

    [[nodiscard]] cache::ResultKey result_key() const {
        return {database->name(), as_bytes(key), tables};
    }
};

ClientCache::~ClientCache() = default;

/// Nobody here has the result: perhaps another process has. Without Redis, or where it is not known
/// which server this is, it is read.
ClientCache::Answer ClientCache::look_up(cache::Leader leader,
                                         const CachedRequest& request,
                                         const pool::StatementTicket& ticket,
                                         std::uint64_t digest) {
    Worker& worker = session_.worker_;
    cache::SharedResults* const shared = worker.shared_results();
    const std::string_view server = session_.request_judge().server();
    if (shared == nullptr || server.empty()) {
        lead(std::move(leader), ticket, digest, TransactionStatus::Idle);
        return Answer::Run;
    }
    auto asked = std::make_shared<SharedRead>();
    asked->digest = digest;
    asked->fresh_for = ticket.plan->cache_ttl;
    asked->database = leader.database();
    asked->tables = leader.stamp().tables();
    cache::KeyBuilder& key = worker.cache_key();
    const pool::PoolPlan& plan = session_.pool_->plan();
    begin_key(key).add(server).add(plan.connect_query).add_list(plan.startup_settings.size());
    for (const auto& [name, value] : plan.startup_settings) {
        key.add(name).add(value);
    }
    write_key(request, asked->fresh_for, key);
    asked->key = key.view().bytes;
    const bool is_asked = shared->get(
        asked->result_key(),
        [this, alive = std::weak_ptr<SharedRead>{asked}](const cache::FoundResult& found) {
            if (!alive.expired()) {
                on_looked_up(found);
            }
        });
    if (!is_asked) {
        lead(std::move(leader), ticket, digest, TransactionStatus::Idle);
        return Answer::Run;
    }
    asked->leader = std::move(leader);
    asking_ = std::move(asked);
    return wait();
}

void ClientCache::end_look_up(ClientSession& session) {
    if (session.extras_ != nullptr && session.extras_->cached != nullptr) {
        ClientCache& mine = *session.extras_->cached;
        if (std::exchange(mine.asking_, nullptr) != nullptr) {
            mine.on_alone();
        }
    }
}

void ClientCache::on_looked_up(const cache::FoundResult& found) {
    const std::shared_ptr<SharedRead> asked = std::exchange(asking_, nullptr);
    cache::Cache* const results = of(session_);
    if (results == nullptr) {  // it has just been turned off
        asked->leader.give_up();
        on_alone();
        return;
    }
    if (found.value) {
        const cache::StoredResult& stored = found.value->result;
        const milliseconds left{stored.fresh_until_ms - wall_clock_ms()};
        // Whoever may write to Redis is not to tell clients anything else, such as what becomes of
        // their transactions.
        if (left.count() > 0 && protocol::is_one_result(stored.reply)) {
            cache::ReadResult result;
            result.reply = {&stored.reply, 1};
            result.digest = asked->digest;
            result.rows = stored.rows;
            result.server_us = stored.server_us;
            const conf::CacheSettings& settings = session_.worker_.config().cache;
            if (settings.max_size > 0) {
                result.fresh_for = std::min<Duration>(left, asked->fresh_for);
                result.stale_for = settings.stale_while_revalidate;
            }
            landed_ =
                results->take_over(std::move(asked->leader), result, session_.worker_.loop().now());
            landed_as_ = ReadOutcome::Hit;
            is_alone_ = landed_ == nullptr;
            go_on();
            return;
        }
    }
    promoted_ = std::move(asked->leader);
    asked->versions = found.versions;
    shared_read_ = asked;
    go_on();
}

/// The server has answered: others need not ask it.
/// @return whether Redis is given it
bool ClientCache::share(const cache::ReadResult& result) {
    const std::shared_ptr<SharedRead> read = std::exchange(shared_read_, nullptr);
    cache::SharedResults* const shared = session_.worker_.shared_results();
    const auto left = duration_cast<milliseconds>(result.fresh_for);
    if (read == nullptr || !read->versions || shared == nullptr || left.count() <= 0) {
        return false;
    }
    std::string joined;
    const std::int64_t now = wall_clock_ms();
    shared->set(read->result_key(),
                *read->versions,
                {.rows = result.rows,
                 .server_us = result.server_us,
                 .stored_at_ms = now,
                 .fresh_until_ms = now + left.count(),
                 .reply = in_one(result.reply, joined)},
                left);
    return true;
}

}  // namespace weir::proxy
