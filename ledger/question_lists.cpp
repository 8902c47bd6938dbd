#include "ledger/question_parts.hpp"

#include <memory>
#include <string>
#include <utility>

namespace weir::ledger {

namespace {

// ?1 from, ?2 before, ?3 limit, then the filter
constexpr const char* kSessions =
    "SELECT s.t, s.number, (SELECT text FROM name WHERE id = s.db), (SELECT text FROM name WHERE "
    "id = s.usr),"
    " (SELECT text FROM name WHERE id = s.app), s.client, s.began_t, s.statements, s.errors, "
    "s.transactions, s.bytes_in, s.bytes_out, s.why FROM session s WHERE s.t >= ?1 AND s.t < ?2 "
    "AND (?4 = 0 OR s.db = ?4)"
    " AND (?5 = 0 OR s.usr = ?5) AND (?6 = 0 OR s.app = ?6) ORDER BY s.t DESC LIMIT ?3";

constexpr const char* kEvents =
    "SELECT t, kind, object, severity, what, data FROM event WHERE t >= ?1 AND t < ?2 ORDER BY t "
    "DESC LIMIT ?3";

constexpr const char* kEventsOfKind =
    "SELECT t, kind, object, severity, what, data FROM event WHERE kind = ?4 AND t >= ?1 AND t < ?2"
    " ORDER BY t DESC LIMIT ?3";

// By kinds, whose index has all that chooses: pools tell more than all others. Of their events as
// many are looked at as some days have where pools are few.
constexpr const char* kNotableEvents =
    "SELECT t, kind, object, severity, what, data FROM event WHERE t IN (SELECT at FROM ("
    "SELECT +t at FROM event WHERE kind < 'pool' AND +t >= ?1 AND +t < ?2"
    " UNION ALL SELECT +t FROM event WHERE kind > 'pool' AND +t >= ?1 AND +t < ?2"
    " UNION ALL SELECT +t FROM (SELECT t, severity FROM event WHERE kind = 'pool' AND t >= ?1 AND "
    "t < ?2 ORDER BY t DESC LIMIT 20000) WHERE severity > 0) ORDER BY at DESC LIMIT ?3)"
    " ORDER BY t DESC";

// ?1 ?2 times, ?3 limit, ?4 before which line
constexpr const char* kAudit =
    "SELECT id, t, who, from_where, action, object, text FROM audit WHERE id < ?4 AND t >= ?1 AND "
    "t < ?2"
    " ORDER BY id DESC LIMIT ?3";

Session session_of(const Use& use) {
    Session session;
    session.ended_unix_us = use.integer(0);
    session.id = use.natural(1);
    session.labels = std::make_shared<const Labels>(
        Labels{.database = use.text(2), .user = use.text(3), .application = use.text(4)});
    session.client = use.text(5);
    session.began_unix_us = use.integer(6);
    session.statements = use.natural(7);
    session.errors = use.natural(8);
    session.transactions = use.natural(9);
    session.bytes_in = use.natural(10);
    session.bytes_out = use.natural(11);
    session.end_reason = use.text(12);
    return session;
}

EventRow event_of(const Use& use) {
    return {.t = use.integer(0),
            .kind = use.text(1),
            .object = use.text(2),
            .severity = static_cast<int>(use.integer(3)),
            .what = use.text(4),
            .data = use.text(5)};
}

AuditRow audit_of(const Use& use) {
    return {.id = use.integer(0),
            .t = use.integer(1),
            .who = use.text(2),
            .from = use.text(3),
            .action = use.text(4),
            .object = use.text(5),
            .text = use.text(6)};
}

}  // namespace

Answer<Session> ended_sessions(Reader& reader, const SessionQuestion& question) {
    const std::string print = fingerprint("sessions", question.filter);
    const auto before = page_begin(print, question.page, question.window.until_us);
    if (!before) {
        return bad_cursor<Session>();
    }
    Connection& connection = reader.ask();
    const FilterNumbers numbers = look_up(connection, question.filter);
    Answer<Session> answer;
    if (!numbers.is_nothing) {
        const std::size_t limit = limit_of(question.page);
        Use rows = connection.use(kSessions);
        rows.with(question.window.from_us)
            .with(*before)
            .with(static_cast<std::int64_t>(limit + 1))
            .with(numbers.database)
            .with(numbers.user)
            .with(numbers.application);
        read_page(rows, answer, {print, limit}, std::pair{&session_of, [](const Session& row) {
                                                              return row.ended_unix_us;
                                                          }});
    }
    answer.problem = reader.problem();
    return answer;
}

Answer<EventRow> noted_events(Reader& reader, const EventQuestion& question) {
    const bool is_notable = question.kind.empty() && question.choice == EventChoice::Notable;
    const std::string print = (is_notable ? "notable events" : "events") + question.kind;
    const auto before = page_begin(print, question.page, question.window.until_us);
    if (!before) {
        return bad_cursor<EventRow>();
    }
    Connection& connection = reader.ask();
    Answer<EventRow> answer;
    const std::size_t limit = limit_of(question.page);
    {
        const char* const all = is_notable ? kNotableEvents : kEvents;
        Use rows = connection.use(question.kind.empty() ? all : kEventsOfKind);
        rows.with(question.window.from_us).with(*before).with(static_cast<std::int64_t>(limit + 1));
        if (!question.kind.empty()) {
            rows.with(std::string_view{question.kind});
        }
        read_page(rows, answer, {print, limit}, std::pair{&event_of, [](const EventRow& row) {
                                                              return row.t;
                                                          }});
    }
    answer.problem = reader.problem();
    return answer;
}

Answer<AuditRow> audited_deeds(Reader& reader, const AuditQuestion& question) {
    const std::string print = "audit";
    const auto before = page_begin(print, question.page, INT64_MAX);
    if (!before) {
        return bad_cursor<AuditRow>();
    }
    Connection& connection = reader.ask();
    Answer<AuditRow> answer;
    const std::size_t limit = limit_of(question.page);
    {
        Use rows = connection.use(kAudit);
        rows.with(question.window.from_us)
            .with(question.window.until_us)
            .with(static_cast<std::int64_t>(limit + 1))
            .with(*before);
        read_page(rows, answer, {print, limit}, std::pair{&audit_of, [](const AuditRow& row) {
                                                              return row.id;
                                                          }});
    }
    answer.problem = reader.problem();
    return answer;
}

void add_list_texts(QuestionTexts& to) {
    to.emplace_back("sessions", kSessions);
    to.emplace_back("events", kEvents);
    to.emplace_back("events of a kind", kEventsOfKind);
    to.emplace_back("notable events", kNotableEvents);
    to.emplace_back("audit", kAudit);
}

}  // namespace weir::ledger
