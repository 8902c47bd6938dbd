#include "proxy/client_cache.hpp"

#include "protocol/message_writer.hpp"
#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

namespace weir::proxy {

using pool::StatementTicket;
using protocol::FrontendMessage;
using protocol::TransactionStatus;

cache::Cache* ClientCache::of(const ClientSession& session) {
    const bool is_used = session.worker_.config().cache.enabled && session.pool_ != nullptr &&
                         session.pool_->key().replication.empty();
    return is_used ? session.worker_.shared().cache.get() : nullptr;
}

ClientCache::Answer ClientCache::ask(ClientSession& session, ByteView rest) {
    cache::Cache* const results = of(session);
    if (results == nullptr || !session.carries_state()) {
        if (session.extras_ != nullptr) {
            session.extras_->cached.reset();
        }
        return Answer::Run;
    }
    auto& mine = session.extras().cached;
    if (mine != nullptr) {
        mine->give_up_read();
        if (std::exchange(mine->is_alone_, false)) {
            note_fate(session, ReadFate::Alone);
            return mine->bypass();
        }
    }
    const auto request = read_cached_request(
        rest, [&session](std::string_view name) { return definition_of(session, name); });
    if (!request) {
        note_fate(session, ReadFate::NotOne);
        mine.reset();
        return Answer::Run;
    }
    if (mine == nullptr) {
        mine = std::make_unique<ClientCache>(session);
    }
    return mine->ask(*results, *request);
}

/// Only of what means the same to all who prepare it now: a client that has prepared before the
/// schema was changed, or with other settings, was told of another result.
std::optional<ByteView> ClientCache::definition_of(ClientSession& session, std::string_view name) {
    const ClientStatement* known =
        session.statements_ == nullptr ? nullptr : session.statements_->find(name);
    const bool is_prepared =
        !name.empty() && known != nullptr && known->statement != nullptr && !known->is_deallocate;
    if (!is_prepared ||
        known->statement->epoch != session.pool_->shared_database()->schema_epoch.load() ||
        known->statement->settings != session.settings_for_reading()) {
        return std::nullopt;
    }
    return ByteView{known->statement->definition};
}

ClientCache::Answer ClientCache::ask(cache::Cache& results, const CachedRequest& request) {
    Worker& worker = session_.worker_;
    cache::Leader promoted = std::exchange(promoted_, {});
    std::shared_ptr<SharedRead> looked_up = std::exchange(shared_read_, nullptr);
    const cache::EntryPtr landed = std::exchange(landed_, nullptr);
    const bool has_waited = landed != nullptr || promoted;
    std::optional<Question> question = prepare(request, has_waited);
    if (!question) {
        return Answer::Run;
    }
    auto& [ticket, digest] = *question;
    const TimePoint now = worker.loop().now();
    const cache::KeyView key = make_key(request, *question);
    // What it has waited for may have been refused meanwhile: then this is another request.
    if (landed != nullptr && landed->key() == key && is_within_limits(*ticket.plan, *landed)) {
        return answer({*landed, landed_as_, session_.waiting_since}, request, std::move(ticket));
    }
    if (promoted && promoted.key() == key) {
        promoted.renew_stamp(now);
        lead(std::move(promoted), ticket, digest, TransactionStatus::Idle);
        shared_read_ = std::move(looked_up);
        return Answer::Run;
    }
    const CacheFacts& facts = session_.request_judge().cache_facts(digest, request.text);
    cache::ReadStart start = results.begin_read(
        {key, worker.cached_database(*session_.pool_), facts.reads.tables, *this, worker.mailbox()},
        now);
    note_fate(session_,
              start.action == cache::ReadAction::Bypass ? ReadFate::Written : ReadFate::Unfit);
    switch (start.action) {
        case cache::ReadAction::Hit:
            if (!is_within_limits(*ticket.plan, *start.entry)) {
                return bypass();  // the server cuts it as it does without the cache
            }
            return answer(
                {*start.entry, outcome_of(start.freshness), now}, request, std::move(ticket));
        case cache::ReadAction::Wait: return wait(std::move(start.waiting));
        case cache::ReadAction::Run:
            return look_up(std::move(start.leader), request, ticket, digest);
        case cache::ReadAction::Bypass: return bypass();
    }
    return bypass();
}

ClientCache::Answer ClientCache::bypass() {
    session_.worker_.cache_counts().count_bypass();
    return Answer::Run;
}

/// It is read as if there were no cache: the statement's results are hardly ever found there.
void ClientCache::skip(const policies::Plan& plan) {
    is_skipped_ = true;
    is_sent_ = false;
    session_.worker_.cache_counts().count(ReadOutcome::Miss, plan.cache_from);
    session_.worker_.cache_counts().count_skip();
}

/// What hardly any result is found of is given up before more is asked about it: most of what is
/// not found costs that.
/// @param has_waited for another one's result: it has been admitted
/// @return nothing where the server has to be asked
std::optional<ClientCache::Question> ClientCache::prepare(const CachedRequest& request,
                                                          bool has_waited) {
    Worker& worker = session_.worker_;
    const std::uint64_t digest = worker.knowledge().digest(request.text);
    StatementRuling ruling = session_.ruling_for(request.text, digest);
    ReadFate fate = fate_of(ruling.plan.get(), request.text);
    const bool is_rare = !has_waited && worker.cache_admission().is_rare(digest);
    if (fate == ReadFate::Kept) {
        if (is_rare && !is_admitted(digest, request)) {
            skip(*ruling.plan);
            return std::nullopt;
        }
        fate = fate_of_text(request, digest);
    }
    if (fate != ReadFate::Kept) {
        note_fate(session_, fate);
        note_why(request, digest);
        return std::nullopt;
    }
    if (!worker.trusts_cache(worker.loop().now())) {
        bypass();
        note_fate(session_, ReadFate::Untrusted);
        return std::nullopt;
    }
    if (!has_waited && !is_rare && !is_admitted(digest, request)) {
        skip(*ruling.plan);
        return std::nullopt;
    }
    return Question{session_.ticket_of(std::move(ruling)), digest};
}

/// What we ask for ourselves is to be there, whether or not it has ever been asked for.
bool ClientCache::is_admitted(std::uint64_t digest, const CachedRequest& request) {
    admitted_as_ = cache::hash_of(request.text, as_text(request.bind));
    return session_.own() != nullptr ||
           session_.worker_.cache_admission().admits(digest, admitted_as_);
}

/// @return the worker's, which is that of the request now
cache::KeyView ClientCache::make_key(const CachedRequest& request, const Question& question) {
    cache::KeyBuilder& key = session_.worker_.cache_key();
    begin_key(key).add(session_.request_judge().server()).add_number(session_.pool_->generation());
    write_key(request, question.ticket.plan->cache_ttl, key);
    return key.view();
}

bool ClientCache::is_within_limits(const policies::Plan& plan, const cache::Entry& entry) {
    return (plan.row_limit == 0 || entry.facts().rows <= plan.row_limit) &&
           (plan.byte_limit == 0 || entry.reply().size() <= plan.byte_limit);
}

cache::KeyBuilder& ClientCache::begin_key(cache::KeyBuilder& key) const {
    key.clear();
    return key.add(session_.pool_->key().database).add(session_.pool_->key().user);
}

/// All that decides a result beside the rows of tables, the server and how its sessions begin.
void ClientCache::write_key(const CachedRequest& request,
                            Duration fresh_for,
                            cache::KeyBuilder& key) const {
    key.add_number(static_cast<std::uint64_t>(fresh_for.count()));
    key.add_list(session_.settings_->size());
    for (const auto& [name, value] : *session_.settings_) {
        key.add(name).add(name == pool::kApplicationName ? std::string_view{} : value);
    }
    key.add(request.shape.text()).add_text(request.text);
    key.add(as_text(request.types)).add(as_text(request.bind));
}

ClientCache::Answer ClientCache::wait(cache::Waiting waiting) {
    waiting_ = std::move(waiting);
    return wait();
}

ClientCache::Answer ClientCache::wait() {
    const TimePoint now = session_.worker_.loop().now();
    session_.waiting_since = now;
    session_.wait_reason = pool::WaitReason::None;
    session_.transition(ClientEvent::BackendWanted);
    session_.worker_.loop().set_deadline(
        session_.deadline_, deadline_after(now, session_.pool_->plan().settings.acquire_timeout));
    return Answer::Wait;
}

/// @param behind what the server says of the transaction behind the reply
void ClientCache::lead(cache::Leader leader,
                       const StatementTicket& ticket,
                       std::uint64_t digest,
                       TransactionStatus behind) {
    leader_ = std::move(leader);
    digest_ = digest;
    fresh_for_ = ticket.plan->cache_ttl;
    asked_at_ = sent_at_ = session_.worker_.loop().now();
    is_sent_ = false;
    session_.worker_.cache_counts().count(ReadOutcome::Miss, ticket.plan->cache_from);
    cache::Cache& results = *of(session_);
    recorder_.begin(results.entry_bytes_max(), behind, results.draft());
    if (ClientRoute* route = session_.route(); route != nullptr) {
        // A replica may serve it that has replayed what the result must have seen.
        route->wrote_at = std::max(route->wrote_at, leader_.stamp().written_at());
    }
}

/// Gives the client what the server would have, for all of its request, outside a transaction.
ClientCache::Answer ClientCache::answer(const Reused& reused,
                                        const CachedRequest& request,
                                        StatementTicket ticket) {
    give(reused, request, std::move(ticket), TransactionStatus::Idle);
    session_.pool_->counters().transactions.add();
    session_.tally_.add_transaction();
    if (!request.is_query()) {
        is_told_ready_ = true;
        session_.transition(ClientEvent::RequestRefused);  // the rest is dropped, up to its Sync
    }
    session_.came_to_rest();
    return Answer::Given;
}

void ClientCache::give(const Reused& reused,
                       const CachedRequest& request,
                       StatementTicket ticket,
                       TransactionStatus status) {
    Worker& worker = session_.worker_;
    const bool is_query = request.is_query();
    session_.count(is_query ? FrontendMessage::Query : FrontendMessage::Execute);
    if (is_query && session_.statements_ != nullptr) {
        session_.statements_->forget_unnamed();
    } else if (!request.definition.empty() && session_.carries_statements()) {
        session_.statements().add(
            "", {worker.statements().intern(request.definition, worker.settings().none(), 0)});
        session_.statements().settle(1);
    }
    ByteWriter ready;
    protocol::write_ready_for_query(ready, status);
    net::WriteBatch batch;
    batch.add(reused.entry.reply());
    batch.add(ready.bytes());
    session_.stream_.write(batch);
    worker.mutable_counters().bytes_to_clients.add(batch.total());
    session_.pool_->counters().bytes_sent.add(batch.total());
    session_.tally_.add_out(batch.total());
    worker.cache_admission().note_hit(reused.entry.facts().digest, admitted_as_);
    worker.cache_counts().count(
        reused.outcome, ticket.plan->cache_from, reused.entry.facts().server_us);
    tell(reused, std::move(ticket));
}

/// The ledger hears of it as of any other statement, which took the server no time.
void ClientCache::tell(const Reused& reused, StatementTicket ticket) {
    pool::StatementRun run;
    run.ticket = std::move(ticket);
    run.asked_at = reused.asked_at;
    run.began_at = run.ended_at = session_.worker_.loop().now();
    run.rows = reused.entry.facts().rows;
    run.bytes = reused.entry.reply().size();
    run.cache = CacheUse::Hit;
    run.saved = std::chrono::microseconds{reused.entry.facts().server_us};
    session_.on_run_end(run);
    note_fate(session_, ReadFate::Kept);
}

void ClientCache::note_sent(ClientSession& session, pool::StatementRun& run) {
    if (session.extras_ == nullptr || session.extras_->cached == nullptr) {
        return;
    }
    ClientCache& mine = *session.extras_->cached;
    const bool is_read = mine.leader_ || mine.is_skipped_;
    if (is_read && (!std::exchange(mine.is_sent_, true) || run.is_retried)) {
        mine.sent_at_ = session.worker_.loop().now();
        run.cache = CacheUse::Miss;
    }
}

void ClientCache::record(const net::WriteBatch& batch) {
    if (recorder_.state() != ReplyRecorder::State::Recording) {
        return;
    }
    for (const iovec& part : batch.segments()) {
        recorder_.feed({static_cast<const std::byte*>(part.iov_base), part.iov_len});
    }
    switch (recorder_.state()) {
        case ReplyRecorder::State::Off:
        case ReplyRecorder::State::Recording: return;
        case ReplyRecorder::State::Complete: land(); break;
        case ReplyRecorder::State::Failed:
            note_fate(session_, ReadFate::Failed);
            leader_.fail();
            break;
        case ReplyRecorder::State::Unfit:
        case ReplyRecorder::State::TooLarge:
            note_fate(session_,
                      recorder_.state() == ReplyRecorder::State::Unfit ? ReadFate::Unfit
                                                                       : ReadFate::TooLarge);
            leader_.give_up();
            break;
    }
    recorder_.end();
    leader_ = {};
}

void ClientCache::land() {
    cache::Cache* const results = of(session_);
    if (results == nullptr) {  // it has just been turned off
        leader_.give_up();
        return;
    }
    const TimePoint now = session_.worker_.loop().now();
    const std::vector<ByteView> reply = recorder_.reply();
    cache::ReadResult result;
    result.reply = reply;
    result.digest = digest_;
    result.rows = recorder_.rows();
    result.server_us = static_cast<std::uint64_t>(
        std::chrono::duration_cast<std::chrono::microseconds>(now - sent_at_).count());
    result.fresh_for = std::max(Duration{}, fresh_for_ - (now - asked_at_));
    result.stale_for = session_.worker_.config().cache.stale_while_revalidate;
    session_.worker_.cache_admission().note_read(digest_, result.server_us);
    const bool is_shared = share(result);
    if (session_.worker_.config().cache.max_size == 0 || !session_.worker_.trusts_cache(now)) {
        result.fresh_for = {};  // for those who wait
    }
    recorder_.yield();
    const cache::ReadEnd end = results->end_read(std::move(leader_), result, now);
    const bool is_kept = is_shared || end == cache::ReadEnd::Kept;
    note_fate(session_,
              is_kept                           ? ReadFate::Kept
              : end == cache::ReadEnd::TooLarge ? ReadFate::TooLarge
                                                : ReadFate::Written);
}

void ClientCache::give_up_read() {
    recorder_.end();
    if (leader_) {
        leader_ = {};  // which is another one's then
    }
    is_skipped_ = false;
    asking_.reset();
}

void ClientCache::give_up(ClientExtras* extras) {
    if (extras != nullptr && extras->cached != nullptr) {
        ClientCache& mine = *extras->cached;
        mine.give_up_read();
        mine.waiting_ = {};
        mine.landed_.reset();
        mine.promoted_ = {};
        mine.shared_read_.reset();
        mine.is_alone_ = false;
    }
}

void ClientCache::give_up_slow() {
    if (leader_) {
        recorder_.end();
        leader_.give_up();  // the next one may be as slow
        leader_ = {};
    }
}

bool ClientCache::leave_flight() {
    const bool has_waited = static_cast<bool>(waiting_) || asking_ != nullptr;
    waiting_ = {};
    asking_.reset();
    return has_waited;
}

bool ClientCache::end_flight() {
    if (!leave_flight()) {
        return false;
    }
    on_alone();
    return true;
}

void ClientCache::on_landed(cache::EntryPtr entry) {
    landed_ = std::move(entry);
    landed_as_ = ReadOutcome::Coalesced;
    go_on();
}

void ClientCache::on_promoted(cache::Leader lead) {
    shared_read_.reset();
    promoted_ = std::move(lead);
    go_on();
}

void ClientCache::on_alone() {
    is_alone_ = true;
    go_on();
}

/// What it has waited for has come to an end: its request is looked at once more, from its
/// beginning.
void ClientCache::go_on() {
    waiting_ = {};
    if (session_.state_ == ClientState::Waiting) {
        session_.deadline_.clear();
        session_.transition(ClientEvent::RequestAnswered);
        session_.resume_held();
    }
}

}  // namespace weir::proxy
