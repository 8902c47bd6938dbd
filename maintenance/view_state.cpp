#include "maintenance/view_state.hpp"

#include "maintenance/control_schema.hpp"

namespace weir::maintenance {

namespace {

constexpr const char* kTable = "view_state";

std::string table() {
    return quote_identifier(kControlSchema) + "." + quote_identifier(kTable);
}

}  // namespace

Answer<std::optional<ViewState>> read_view_state(Connection& db, std::uint32_t view) {
    const Answer<bool> is_there = has_control_table(db, kTable);
    if (!is_there) {
        return failed(is_there.error());
    }
    if (!*is_there) {
        return std::optional<ViewState>{};
    }
    const Answer<Rows> rows =
        db.run("SELECT signature, changes, date_trunc('second', refreshed_at), duration_ms FROM " +
                   table() + " WHERE view = $1::oid",
               {std::to_string(view)});
    if (!rows) {
        return failed(rows.error());
    }
    if (rows->empty()) {
        return std::optional<ViewState>{};
    }
    return std::optional{
        ViewState{rows->text(0, 0), rows->number(0, 1), rows->text(0, 2), rows->number(0, 3)}};
}

Answer<void> write_view_state(JobContext& job,
                              const Relation& view,
                              const ViewSources& sources,
                              std::chrono::milliseconds took) {
    if (Answer<void> made = make_control_table(job,
                                               kTable,
                                               "view oid PRIMARY KEY, name text NOT NULL, "
                                               "signature text NOT NULL, changes bigint NOT NULL, "
                                               "refreshed_at timestamptz NOT NULL, "
                                               "duration_ms bigint NOT NULL");
        !made) {
        return made;
    }
    const Answer<Rows> written = job.db.run(
        // Views that are gone leave no rows behind.
        "WITH gone AS (DELETE FROM " + table() +
            " s WHERE NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid = s.view)) "
            "INSERT INTO " +
            table() +
            " AS s VALUES ($1::oid, $2, $3, $4::bigint, clock_timestamp(), $5::bigint) "
            "ON CONFLICT (view) DO UPDATE SET (name, signature, changes, refreshed_at, "
            "duration_ms) = (excluded.name, excluded.signature, excluded.changes, "
            "excluded.refreshed_at, excluded.duration_ms)",
        {std::to_string(view.oid),
         view.text(),
         sources.signature,
         std::to_string(sources.changes),
         std::to_string(took.count())});
    return written ? Answer<void>{} : Answer<void>{failed(written.error())};
}

}  // namespace weir::maintenance
