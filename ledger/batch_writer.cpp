#include "ledger/batch_writer.hpp"

#include "base/utf8.hpp"
#include "ledger/audit.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace weir::ledger {

namespace {

constexpr std::size_t kWordsMax = 1024;

/// What of an event or a deed is kept.
std::string_view kept(const std::string& text) {
    return cut_utf8(text, kWordsMax);
}

/// @return JSON with what there is, or ""
std::string detail_of(std::string_view client, const StatementDetail& detail) {
    nlohmann::json json = nlohmann::json::object();
    const auto put = [&json](const char* key, const std::string& value) {
        if (!value.empty()) {
            json[key] = value;
        }
    };
    put("client", std::string{client});
    put("text", detail.text);
    put("parameters", detail.parameters);
    put("message", detail.message);
    put("trace_id", detail.trace_id);
    put("span_id", detail.span_id);
    put("plan", detail.plan);
    if (json.empty()) {
        return {};
    }
    // A client's bytes need not be UTF-8.
    return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::int64_t class_of(const Statement& statement) {
    return (statement.is_slow ? 1 : 0) + (statement.error ? 2 : 0);
}

template <class Row, class TimeOf>
void sort_by_time(std::vector<Row>& rows, const TimeOf& time_of) {
    std::stable_sort(rows.begin(), rows.end(), [&](const Row& a, const Row& b) {
        return time_of(a) < time_of(b);
    });
}

}  // namespace

void BatchWriter::find_ends() {
    ends_.statement.find_end(*connection_);
    ends_.session.find_end(*connection_);
    ends_.event.find_end(*connection_);
    ends_.job_run.find_end(*connection_);
}

void BatchWriter::write(Batch& batch) {
    sort_by_time(batch.samples,
                 [](const Sample& sample) { return sample.statement.ended_unix_us; });
    sort_by_time(batch.sessions, [](const Session& session) { return session.ended_unix_us; });
    sort_by_time(batch.events, [](const NotedEvent& noted) { return noted.t; });
    sort_by_time(batch.job_runs, [](const JobRun& run) { return run.ended_us; });
    const auto write_all = [this](const auto& rows) {
        for (const auto& row : rows) {
            write(row);
        }
    };
    write_all(batch.samples);
    write_all(batch.sessions);
    write_all(batch.events);
    write_all(batch.deeds);
    write_all(batch.job_runs);
}

/// @return detail_of() for a statement with nothing else: most are the same clients'
const std::string& BatchWriter::plain_detail_of(const std::string& client) {
    if (client != plain_client_) {
        plain_detail_ = detail_of(client, {});
        plain_client_ = client;
    }
    return plain_detail_;
}

void BatchWriter::write(const Sample& sample) {
    const Statement& statement = sample.statement;
    const std::int64_t t = ends_.statement.place(*connection_, statement.ended_unix_us);
    const std::int64_t digest = ids_->digest(*statement.digest, t);
    const std::int64_t database = ids_->name(NameKind::Database, statement.labels->database, t);
    const std::int64_t user = ids_->name(NameKind::User, statement.labels->user, t);
    const std::int64_t application =
        ids_->name(NameKind::Application, statement.labels->application, t);
    const std::int64_t member = ids_->name(NameKind::Member, statement.member, t);
    const std::string sqlstate = statement.error ? statement.error->text() : "";
    const StatementDetail* about = statement.detail.get();
    const std::int64_t pattern = statement.error && about != nullptr && !about->message.empty()
                                     ? ids_->pattern(*statement.error, about->message, t)
                                     : 0;
    const std::string detail =
        about == nullptr ? plain_detail_of(statement.client) : detail_of(statement.client, *about);
    Use adding = connection_->use(
        "INSERT INTO statement(t, digest, db, usr, app, member, session, class, weight, total_us, "
        "server_us,"
        " wait_us, sending_us, why, rows, bytes, flags, pattern, sqlstate, detail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, nullif(?, 0), ?, ?)");
    adding.with(t)
        .with(digest)
        .with(database)
        .with(user)
        .with(application)
        .with(member)
        .with(statement.session)
        .with(class_of(statement))
        .with(sample.weight)
        .with(std::int64_t{statement.total.count()})
        .with(std::int64_t{statement.server.count()})
        .with(std::int64_t{statement.wait.count()})
        .with(std::int64_t{statement.sending.count()})
        .with(static_cast<std::int64_t>(statement.wait_reason))
        .with(statement.rows)
        .with(statement.bytes)
        .with((statement.is_retried ? kFlagRetried : 0) | (statement.is_cut ? kFlagCut : 0))
        .with(pattern)
        .with_text_or_null(sqlstate)
        .with_text_or_null(detail)
        .run();
}

void BatchWriter::write(const Session& session) {
    const std::int64_t t = ends_.session.place(*connection_, session.ended_unix_us);
    const std::int64_t database = ids_->name(NameKind::Database, session.labels->database, t);
    const std::int64_t user = ids_->name(NameKind::User, session.labels->user, t);
    const std::int64_t application =
        ids_->name(NameKind::Application, session.labels->application, t);
    Use adding = connection_->use(
        "INSERT INTO session(t, number, db, usr, app, client, began_t, statements, errors, "
        "transactions, bytes_in, bytes_out, why) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    adding.with(t)
        .with(session.id)
        .with(database)
        .with(user)
        .with(application)
        .with(kept(session.client))
        .with(session.began_unix_us)
        .with(session.statements)
        .with(session.errors)
        .with(session.transactions)
        .with(session.bytes_in)
        .with(session.bytes_out)
        .with(kept(session.end_reason))
        .run();
}

void BatchWriter::write(const NotedEvent& noted) {
    const std::int64_t t = ends_.event.place(*connection_, noted.t);
    Use adding = connection_->use(
        "INSERT INTO event(t, kind, object, severity, what, data) VALUES (?, ?, ?, ?, ?, ?)");
    adding.with(t)
        .with(kept(noted.event.kind))
        .with(kept(noted.event.object))
        .with(static_cast<std::int64_t>(noted.event.severity))
        .with(kept(noted.event.what))
        .with_text_or_null(cut_utf8(noted.event.data, kDetailPlanMax))
        .run();
}

void BatchWriter::write(const JobRun& run) {
    const std::int64_t t = ends_.job_run.place(*connection_, run.ended_us);
    Use adding = connection_->use(
        "INSERT INTO job_run(t, job, began, ended, outcome, rows, text) VALUES (?, ?, ?, ?, ?, ?, "
        "?)");
    adding.with(t)
        .with(kept(run.job))
        .with(run.began_us)
        .with(run.ended_us)
        .with(std::string_view{run.outcome})
        .with(run.rows)
        .with(kept(run.text))
        .run();
}

void BatchWriter::write(const NotedDeed& noted) {
    append_audit(*connection_,
                 {.id = 0,
                  .t = noted.t,
                  .who = std::string{kept(noted.deed.who)},
                  .from = std::string{kept(noted.deed.from)},
                  .action = std::string{kept(noted.deed.action)},
                  .object = std::string{kept(noted.deed.object)},
                  .text = std::string{cut_utf8(noted.deed.text, kDetailTextMax)}});
}

}  // namespace weir::ledger
