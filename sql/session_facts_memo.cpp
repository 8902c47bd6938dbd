#include "sql/session_facts_memo.hpp"

#include <functional>

#include "sql/digest.hpp"
#include "sql/lexer.hpp"

namespace weir::sql {

SessionFacts SessionFactsMemo::facts(std::string_view sql) {
    Recent& recent = recent_[std::hash<std::string_view>{}(sql) % kRecentTexts];
    if (!sql.empty() && sql == recent.text) {
        SessionFacts known;
        known.effects = recent.effects;
        known.is_of_digest = true;
        return known;
    }
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
