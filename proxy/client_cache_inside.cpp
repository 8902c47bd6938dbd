// The part of ClientCache that answers reads within transactions.

#include "proxy/client_cache.hpp"
#include "proxy/client_session.hpp"
#include "proxy/worker.hpp"

#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

namespace weir::proxy {

using pool::SessionTraces;
using protocol::TransactionStatus;

namespace {

constexpr std::string_view kUsualIsolation = "default_transaction_isolation";

/// The server ends sessions that leave a transaction idle (idle_in_transaction_session_timeout),
/// and to it a client is idle whose reads are answered here: it hears of one in so much time.
constexpr std::chrono::milliseconds kUnheardMax{500};

SessionTraces::Course course_after(SessionTraces::Course before, const KnownStatement& known) {
    if (known.is_kept_read) {
        return before;
    }
    const bool begins =
        before == SessionTraces::Course::Unseen && known.begins != sql::BeginsCommitted::No;
    return begins ? SessionTraces::Course::Reads : SessionTraces::Course::Other;
}

/// @return whether what the server's own default is holds for the client's sessions
bool has_usual_isolation(const pool::SettingsMap& settings, const pool::PoolPlan& plan) {
    const std::string key{kUsualIsolation};
    return settings.count(key) == 0 && plan.startup_settings.count(key) == 0 &&
           plan.connect_query.empty();
}

}  // namespace

/// @return whether the session is known to be as its client's settings say: nothing before that
/// has yet to be looked at
bool ClientCache::is_settled(ClientSession& session) {
    const pool::Backend& backend = *session.backend_;
    return !backend.is_auditing() && session.backend_->traces().suspected().empty() &&
           !session.is_reading_uncertain_ && !session.is_pinned();
}

/// @param known what is about to be sent; nullptr: it may be anything
void ClientCache::note_course(ClientSession& session, const KnownStatement* known) {
    SessionTraces& traces = session.backend_->traces();
    SessionTraces::Course course = SessionTraces::Course::Other;
    if (known != nullptr && (known->begins != sql::BeginsCommitted::ByDefault ||
                             has_usual_isolation(*session.settings_, session.pool_->plan()))) {
        course = course_after(traces.course(), *known);
    }
    if (course == SessionTraces::Course::Reads && !is_settled(session)) {
        course = SessionTraces::Course::Other;
    }
    traces.note_run(course, session.worker_.loop().now());
}

void ClientCache::note_portion(ClientSession& session) {
    session.backend_->traces().note_run(SessionTraces::Course::Other, session.worker_.loop().now());
}

std::size_t ClientCache::answer_inside(ClientSession& session, ByteView rest) {
    const pool::Backend& backend = *session.backend_;
    const SessionTraces& traces = session.backend_->traces();
    const bool only_reads = backend.transaction_status() == TransactionStatus::InTransaction &&
                            traces.course() == SessionTraces::Course::Reads;
    if (!only_reads || session.worker_.loop().now() - traces.ran_at() >= kUnheardMax) {
        return 0;
    }
    // A batch that the server has the beginning of is the server's to end.
    const protocol::ExpectedReplies& owed = backend.owed();
    const bool is_between_batches = owed.empty() && !owed.is_sync_owed() && !owed.is_skipping() &&
                                    !owed.is_ambiguous() && !backend.is_mid_frame();
    if (!is_between_batches) {
        return 0;
    }
    cache::Cache* const results = of(session);
    if (results == nullptr || !session.carries_state() || session.is_at_replica()) {
        return 0;
    }
    const auto request = read_cached_request(
        rest, [&session](std::string_view name) { return definition_of(session, name); });
    if (!request) {
        return 0;
    }
    auto& mine = session.extras().cached;
    if (mine == nullptr) {
        mine = std::make_unique<ClientCache>(session);
    }
    give_up(session.extras_.get());
    return mine->ask_inside(*results, *request) ? request->bytes : 0;
}

/// Who has a server connection does not wait for another client's read: that may be waiting for a
/// server connection.
/// @return whether it was answered
bool ClientCache::ask_inside(cache::Cache& results, const CachedRequest& request) {
    std::optional<Question> question = prepare(request, /*has_waited=*/false);
    if (!question) {
        return false;
    }
    Worker& worker = session_.worker_;
    auto& [ticket, digest] = *question;
    const TimePoint now = worker.loop().now();
    const CacheFacts& facts = session_.request_judge().cache_facts(digest, request.text);
    cache::ReadStart start = results.begin_read({make_key(request, *question),
                                                 worker.cached_database(*session_.pool_),
                                                 facts.reads.tables,
                                                 *this,
                                                 worker.mailbox(),
                                                 false},
                                                now);
    if (start.action == cache::ReadAction::Run) {
        lead(std::move(start.leader), ticket, digest, TransactionStatus::InTransaction);
        return false;
    }
    if (start.action != cache::ReadAction::Hit || !is_within_limits(*ticket.plan, *start.entry)) {
        bypass();
        return false;
    }
    give({*start.entry, outcome_of(start.freshness), now},
         request,
         std::move(ticket),
         TransactionStatus::InTransaction);
    if (request.is_query() || !request.definition.empty()) {
        session_.backend_->forget_holders_unnamed();
    }
    return true;
}

}  // namespace weir::proxy
