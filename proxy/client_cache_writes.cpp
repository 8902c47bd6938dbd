// The part of ClientCache that tells of what a client's statements change.

#include "proxy/client_cache.hpp"
#include "proxy/client_session.hpp"
#include "proxy/sent_writes.hpp"
#include "proxy/worker.hpp"

#include <memory>

namespace weir::proxy {

using pool::StatementTicket;

namespace {

/// Of what is not known.
sql::WriteSet everything() {
    return {.is_everything = true, .tables = {}};
}

}  // namespace

void ClientCache::note_effect(const ClientSession& session,
                              const StatementText& statement,
                              KnownStatement& known) {
    if (statement.judge == nullptr || of(session) == nullptr) {
        return;
    }
    if (const std::uint64_t version = statement.judge->version();
        known.writes == nullptr || known.writes_version != version) {
        const CacheFacts& facts = statement.judge->cache_facts(statement.digest, statement.text);
        known.writes = std::make_shared<const sql::WriteSet>(facts.writes);
        known.is_kept_read = facts.reads.may_be_kept();
        known.begins = facts.begins;
        known.writes_version = version;
    }
}

void ClientCache::note_refresh(ClientSession& session) {
    pool::Backend* backend = session.backend_;
    if (backend != nullptr && !backend->is_at_rest()) {
        note_course(session, /*known=*/nullptr);
        note_write(session, everything(), /*backend=*/nullptr);
    }
}

/// What was read from the tables it may change is neither kept nor served from before the change
/// can be seen until it has ended.
void ClientCache::note_write(ClientSession& session, const StatementTicket& ticket) {
    if (of(session) == nullptr) {
        return;
    }
    RequestJudge& judge = session.request_judge();
    const auto* known = static_cast<const KnownStatement*>(ticket.subject.get());
    const bool is_known = known != nullptr && known->writes != nullptr && !ticket.is_doubtful &&
                          known->writes_version == judge.version() && judge.is_unchanged();
    note_course(session, is_known ? known : nullptr);
    if (session.own() != nullptr && session.own()->is_harmless) {
        return;
    }
    note_write(session, is_known ? *known->writes : everything(), session.backend_);
}

void ClientCache::note_unseen_write(ClientSession& session) {
    note_course(session, /*known=*/nullptr);
    note_write(session, everything(), session.backend_);
}

/// @param backend waits with what it is about to be sent; nullptr: that has been sent already
void ClientCache::note_write(ClientSession& session,
                             const sql::WriteSet& set,
                             pool::Backend* backend) {
    Worker& worker = session.worker_;
    const conf::CacheSettings& settings = worker.config().cache;
    pool::SessionTraces& traces = session.backend_->traces();
    if (!settings.enabled || !settings.invalidate_on_write ||
        (set.empty() && traces.witness() == nullptr)) {
        return;
    }
    if (traces.witness() == nullptr) {
        traces.set_witness(
            std::make_unique<SentWrites>(worker, worker.cached_database(*session.pool_)));
    }
    // Nobody else has made it.
    static_cast<SentWrites&>(*traces.witness()).add(set, backend);
}

}  // namespace weir::proxy
