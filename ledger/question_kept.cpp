#include "ledger/batch_writer.hpp"
#include "ledger/question_parts.hpp"

#include <array>
#include <string>

namespace weir::ledger {

namespace {

constexpr std::array<const char*, 4> kConditions{
    // Partial indexes are found by their own words.
    "s.class IN (1, 3)",
    "s.sqlstate IS NOT NULL",
    "s.t IS NOT NULL",
    "s.digest = ?7",
};

/// ?1 from, ?2 before, ?3 limit, ?4-?6 filter, ?7 digest, ?8 least time
std::string kept_sql(std::size_t condition) {
    return std::string{
               "SELECT s.t, d.hash, d.text, (SELECT text FROM name WHERE id = s.db),"
               " (SELECT text FROM name WHERE id = s.usr), (SELECT text FROM name WHERE id = "
               "s.app),"
               " (SELECT text FROM name WHERE id = s.member), s.session, s.class, s.flags, "
               "s.total_us,"
               " s.server_us, s.wait_us, s.sending_us, s.why, s.rows, s.bytes, s.sqlstate,"
               " s.detail ->> 'text', s.detail ->> 'parameters', s.detail ->> 'message',"
               " s.detail ->> 'trace_id', s.detail ->> 'span_id', s.detail ->> 'client',"
               " s.detail ->> 'plan', s.weight FROM statement s LEFT JOIN digest d ON d.id = "
               "s.digest"
               " WHERE "} +
           kConditions.at(condition) +
           " AND s.t >= ?1 AND s.t < ?2 AND (?4 = 0 OR s.db = ?4) AND (?5 = 0 OR s.usr = ?5)"
           " AND (?6 = 0 OR s.app = ?6) AND (?7 < 0 OR s.digest = ?7) AND s.total_us >= ?8 ORDER "
           "BY s.t DESC LIMIT ?3";
}

constexpr std::size_t kOfDigest = 3;

const std::string& kept_text(std::size_t condition) {
    static const std::array<std::string, kConditions.size()> kTexts{
        kept_sql(0), kept_sql(1), kept_sql(2), kept_sql(kOfDigest)};
    return kTexts.at(condition);
}

KeptRow row_of(const Use& use) {
    constexpr std::int64_t kSlow = 1;
    KeptRow row;
    int column = 0;
    row.ended_us = use.integer(column++);
    row.digest = static_cast<std::uint64_t>(use.integer(column++));
    for (std::string* text :
         {&row.digest_text, &row.database, &row.user, &row.application, &row.member}) {
        *text = use.text(column++);
    }
    row.session = use.natural(column++);
    row.is_slow = (use.integer(column++) & kSlow) != 0;
    const std::int64_t flags = use.integer(column++);
    row.is_retried = (flags & kFlagRetried) != 0;
    row.is_cut = (flags & kFlagCut) != 0;
    for (std::uint64_t* time : {&row.total_us, &row.server_us, &row.wait_us, &row.sending_us}) {
        *time = use.natural(column++);
    }
    const std::uint64_t reason = use.natural(column++);
    row.wait_reason = reason < kWaitReasons ? static_cast<WaitReason>(reason) : WaitReason::None;
    row.rows = use.natural(column++);
    row.bytes = use.natural(column++);
    row.sqlstate = use.text(column++);
    for (std::string* text : {&row.detail.text,
                              &row.detail.parameters,
                              &row.detail.message,
                              &row.detail.trace_id,
                              &row.detail.span_id,
                              &row.client,
                              &row.detail.plan}) {
        *text = use.text(column++);
    }
    row.weight = use.real(column);
    return row;
}

}  // namespace

Answer<KeptRow> kept_statements(Reader& reader, const KeptQuestion& question) {
    const std::string print =
        fingerprint("kept" + std::to_string(static_cast<int>(question.kind)), question.filter);
    const auto before = page_begin(print, question.page, question.window.until_us);
    if (!before) {
        return bad_cursor<KeptRow>();
    }
    Connection& connection = reader.ask();
    const FilterNumbers numbers = look_up(connection, question.filter);
    Answer<KeptRow> answer;
    if (!numbers.is_nothing) {
        const std::size_t limit = limit_of(question.page);
        const bool is_of_digest = question.kind == KeptKind::All && numbers.digest >= 0;
        Use rows = connection.use(
            kept_text(is_of_digest ? kOfDigest : static_cast<std::size_t>(question.kind)).c_str());
        rows.with(question.window.from_us)
            .with(*before)
            .with(static_cast<std::int64_t>(limit + 1))
            .with(numbers.database)
            .with(numbers.user)
            .with(numbers.application)
            .with(numbers.digest)
            .with(question.least_us);
        read_page(rows, answer, {print, limit}, std::pair{&row_of, [](const KeptRow& row) {
                                                              return row.ended_us;
                                                          }});
    }
    answer.problem = reader.problem();
    return answer;
}

void add_kept_texts(QuestionTexts& to) {
    to.emplace_back("slow", kept_text(0));
    to.emplace_back("failed", kept_text(1));
    to.emplace_back("kept", kept_text(2));
    to.emplace_back("kept of a digest", kept_text(kOfDigest));
}

}  // namespace weir::ledger
