// A request's text: what is found in it must hang on its digest alone.

#include "sql/statement_facts.hpp"

#include "tests/fuzz/fuzz_input.hpp"

#include <optional>
#include <string>
#include <string_view>

#include "sql/digest.hpp"
#include "sql/hint.hpp"
#include "sql/parser_text.hpp"
#include "sql/read_only.hpp"
#include "sql/session_facts.hpp"

namespace {

using weir::fuzz::require;
using weir::sql::Access;
using weir::sql::StatementFacts;

void check_hint(std::string_view text) {
    const weir::sql::Hint hint = weir::sql::read_hint(text);
    require(hint == weir::sql::Hint{} || text.find("weir:") != std::string_view::npos);
}

void check_facts(const StatementFacts& facts) {
    require(facts.functions.size() <= StatementFacts::kNamesMax);
    require(facts.tables.size() <= StatementFacts::kNamesMax);
    require(facts.is_understood || !facts.is_harmless);
}

void check_shape(std::string_view text) {
    const weir::sql::Shape shape = weir::sql::shape_of(text);
    require(shape.text.size() <= weir::sql::Shape::kTextBytesMax);
    require(shape.kind.size() <= weir::sql::Shape::kKindBytesMax);
    require(shape.digest == weir::sql::stable_digest(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto bytes = weir::fuzz::exact_copy(weir::fuzz::input(data, size));
    const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    check_hint(text);
    const StatementFacts facts = weir::sql::statement_facts(text);
    check_facts(facts);
    check_shape(text);
    require(facts.is_harmless || !weir::sql::may_run_read_only(facts, text));
    const std::optional<std::string> rewritten = weir::sql::parser_text(text);
    if (!rewritten) {
        require(facts.access == Access::Unsure);
        return 0;
    }
    // Without its literals it is the same statement.
    require(weir::sql::parser_text(*rewritten) == rewritten);
    require(weir::sql::session_facts(*rewritten).effects.digest ==
            weir::sql::session_facts(text).effects.digest);
    const StatementFacts again = weir::sql::statement_facts(*rewritten);
    require(again.access == facts.access && again.modes == facts.modes);
    require(again.functions == facts.functions && again.tables == facts.tables);
    require(again.is_understood == facts.is_understood && again.is_harmless == facts.is_harmless &&
            again.calls_set_config == facts.calls_set_config);
    require(weir::sql::stable_digest(*rewritten) == weir::sql::stable_digest(text));
    return 0;
}
