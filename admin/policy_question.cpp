#include "admin/policy_question.hpp"

#include "policies/decide.hpp"

#include <array>

#include "sql/digest.hpp"
#include "sql/hint.hpp"
#include "sql/lexer.hpp"
#include "sql/statement_facts.hpp"

namespace weir::admin {

namespace {

using sql::Lexer;
using sql::Token;
using sql::TokenKind;

constexpr Column kColumns[] = {
    {"part", ColumnType::Text}, {"value", ColumnType::Text}, {"from", ColumnType::Text}};

struct Option {
    std::string_view name;
    std::string PolicyQuestion::*value;
};

constexpr std::array kOptions{Option{"database", &PolicyQuestion::database},
                              Option{"user", &PolicyQuestion::user},
                              Option{"application_name", &PolicyQuestion::application_name}};

protocol::ErrorFields problem(SqlState sqlstate, std::string message) {
    return {.severity = protocol::Severity::Error,
            .sqlstate = sqlstate,
            .message = std::move(message),
            .detail = "",
            .hint = ""};
}

protocol::ErrorFields wrong(std::string_view what) {
    return problem(sqlstate::kSyntaxError,
                   std::string{what} + "; usage: " + std::string{kPolicyUsage});
}

const Option* option_named(const Token& token) {
    for (const Option& option : kOptions) {
        if (token.is_word(option.name)) {
            return &option;
        }
    }
    return nullptr;
}

/// @return a name as typed, or what stands in quotes; nothing for anything else
std::optional<std::string> value_of(const Token& token) {
    if (token.kind == TokenKind::Word) {
        return std::string{token.text};
    }
    const bool is_quoted = token.kind == TokenKind::Quoted || token.kind == TokenKind::String;
    if (!is_quoted || token.has_escapes || token.text.empty()) {
        return std::nullopt;
    }
    const char quote = token.kind == TokenKind::Quoted ? '"' : '\'';
    std::string value;
    for (std::size_t i = 0; i < token.text.size(); ++i) {
        value += token.text[i];
        const bool is_doubled =
            token.text[i] == quote && i + 1 < token.text.size() && token.text[i + 1] == quote;
        i += is_doubled ? 1 : 0;
    }
    return value;
}

/// Reads "database x, user y)".
/// @param token the first one behind the parenthesis; the closing one when all is well
/// @return what is wrong, or ""
std::string read_options(Lexer& lexer, Token token, PolicyQuestion& question) {
    for (;;) {
        const Option* option = option_named(token);
        if (option == nullptr) {
            return "the options are database, user and application_name";
        }
        const auto value = value_of(lexer.next());
        if (!value) {
            return std::string{option->name} + " needs a name, or a text in quotes";
        }
        if (!(question.*option->value).empty()) {
            return std::string{option->name} + " is there twice";
        }
        question.*option->value = *value;
        token = lexer.next();
        if (token.is_symbol(')')) {
            return {};
        }
        if (!token.is_symbol(',')) {
            return "a comma or a parenthesis is missing behind the " + std::string{option->name};
        }
        token = lexer.next();
    }
}

Row part(std::string_view name, Cell value, std::string_view from) {
    return {std::string{name}, std::move(value), std::string{from}};
}

void add_said(std::vector<Row>& rows, std::string_view name, const std::string& value) {
    rows.push_back(part(name, text_or_null(value), value.empty() ? "not said" : "question"));
}

std::string listed(const std::vector<sql::QualifiedName>& names) {
    std::string all;
    for (const sql::QualifiedName& name : names) {
        all += all.empty() ? "" : ", ";
        all += name.schema.empty() ? name.name : name.schema + "." + name.name;
    }
    return all;
}

}  // namespace

std::optional<std::variant<PolicyQuestion, protocol::ErrorFields>> read_policy_question(
    const Statement& statement, const conf::Config& config) {
    Lexer lexer{statement.text};
    if (!lexer.next().is_word("explain") || !lexer.next().is_word("policy")) {
        return std::nullopt;
    }
    PolicyQuestion question;
    std::size_t begin = lexer.position();
    Token token = lexer.next();
    if (token.is_symbol('(')) {
        token = lexer.next();
        // A statement may begin with a parenthesis as well: (SELECT 1) UNION …
        const bool is_statement = token.is_symbol('(') || token.is_word("select") ||
                                  token.is_word("values") || token.is_word("table") ||
                                  token.is_word("with");
        if (!is_statement) {
            if (const std::string what = read_options(lexer, token, question); !what.empty()) {
                return wrong(what);
            }
            begin = lexer.position();
            token = lexer.next();
        }
    }
    if (token.kind == TokenKind::End) {
        return wrong("there is no statement to explain");
    }
    if (!question.database.empty() && config.find_database(question.database) == nullptr) {
        return problem(sqlstate::kInvalidCatalogName, "no such database: " + question.database);
    }
    question.sql = statement.text.substr(begin);
    return question;
}

std::span<const Column> policy_columns() {
    return kColumns;
}

std::vector<Row> answer(const PolicyQuestion& question, const conf::Config& config) {
    const sql::StatementFacts facts = sql::statement_facts(question.sql);
    const sql::Shape shape = sql::shape_of(question.sql);
    const policies::Rules rules{config.rules};
    const policies::Explanation explanation =
        policies::explain({{question.database, question.user, question.application_name},
                           question.sql,
                           shape.digest,
                           &facts},
                          config,
                          rules,
                          sql::read_hint(question.sql));
    std::vector<Row> rows;
    add_said(rows, "database", question.database);
    add_said(rows, "user", question.user);
    add_said(rows, "application_name", question.application_name);
    rows.push_back(part("statement", shape.text, "statement"));
    rows.push_back(
        facts.is_understood
            ? part("tables", text_or_null(listed(facts.tables)), "statement")
            : part("tables", "not understood: every name in it counts as one", "statement"));
    for (const policies::PlanPart& one : explanation.parts) {
        rows.push_back(part(one.name, one.value, one.from));
    }
    return rows;
}

}  // namespace weir::admin
