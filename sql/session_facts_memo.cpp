#include "sql/session_facts_memo.hpp"

#include "sql/digest.hpp"
#include "sql/lexer.hpp"

#define XXH_INLINE_ALL  // NOLINT(readability-identifier-naming): the library's
#include <xxhash.h>

namespace weir::sql {

SessionFactsMemo::Recent& SessionFactsMemo::place_of(std::string_view sql) {
    return recent_[XXH3_64bits(sql.data(), sql.size()) % kRecentTexts];
}

std::uint64_t SessionFactsMemo::digest(std::string_view sql) {
    Recent& recent = place_of(sql);
    return recent.is(sql) ? recent.effects.digest : learn(sql, recent).effects.digest;
}

SessionFacts SessionFactsMemo::facts(std::string_view sql) {
    Recent& recent = place_of(sql);
    if (recent.is(sql)) {
        SessionFacts known;
        known.effects = recent.effects;
        known.is_of_digest = true;
        return known;
    }
    return learn(sql, recent);
}

SessionFacts SessionFactsMemo::learn(std::string_view sql, Recent& recent) {
    SessionFacts found = look_up(sql);
    if (found.is_of_digest && sql.size() <= kRecentBytesMax) {
        recent.text = sql;
        recent.effects = found.effects;
    }
    return found;
}

SessionFacts SessionFactsMemo::look_up(std::string_view sql) {
    DigestBuilder builder;
    Lexer lexer{sql};
    for (Token token = lexer.next(); token.kind != TokenKind::End; token = lexer.next()) {
        builder.add(token);
    }
    if (const auto found = effects_.find(builder.digest()); found != effects_.end()) {
        SessionFacts known;
        known.effects = found->second;
        known.is_of_digest = true;
        return known;
    }
    SessionFacts fresh = session_facts(sql);
    if (fresh.is_of_digest) {
        if (effects_.size() >= kEntriesMax) {
            effects_.clear();
        }
        effects_.emplace(fresh.effects.digest, fresh.effects);
    }
    return fresh;
}

}  // namespace weir::sql
