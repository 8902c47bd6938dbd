#include "admin/console.hpp"
#include "admin/parameters.hpp"
#include "base/check.hpp"
#include "protocol/message_writer.hpp"

#include <algorithm>

/// The console's extended protocol: Parse, Bind, Describe, Execute, Close, Sync.
///
/// @source PostgreSQL 15 manual, "Frontend/Backend Protocol", section "Extended Query"
namespace weir::admin {

namespace {

constexpr SqlState kDuplicatePreparedStatement{"42P05"};
constexpr SqlState kUndefinedPreparedStatement{"26000"};
constexpr SqlState kDuplicatePortal{"42P03"};
constexpr SqlState kUndefinedPortal{"34000"};

/// @return one format per column, or nothing when the codes fit neither rule nor columns
std::optional<std::vector<Format>> formats_for(const std::vector<std::uint16_t>& codes,
                                               std::size_t columns) {
    const auto is_known = [](std::uint16_t code) {
        return code <= static_cast<std::uint16_t>(Format::Binary);
    };
    if (!std::all_of(codes.begin(), codes.end(), is_known) ||
        (codes.size() > 1 && codes.size() != columns)) {
        return std::nullopt;
    }
    std::vector<Format> formats(columns, Format::Text);
    for (std::size_t i = 0; i < columns && !codes.empty(); ++i) {
        formats[i] = static_cast<Format>(codes.size() == 1 ? codes[0] : codes[i]);
    }
    return formats;
}

std::string quoted(std::string_view name) {
    return "\"" + std::string{name} + "\"";
}

}  // namespace

void Console::extended_error(SqlState sqlstate, std::string message) {
    error(sqlstate, std::move(message));
    is_skipping_ = true;
}

void Console::on_parse(ByteView body) {
    const auto parse = protocol::read_parse(body);
    if (!parse) {
        return extended_error(parse.error().sqlstate(), std::string{parse.error().what()});
    }
    if (!parse->name.empty() && prepared_.contains(parse->name)) {
        return extended_error(kDuplicatePreparedStatement,
                              "prepared statement " + quoted(parse->name) + " already exists");
    }
    if (prepared_.size() >= kMaxPrepared) {
        return extended_error(sqlstate::kProgramLimitExceeded, "too many prepared statements");
    }
    auto statements = split_statements(parse->sql);
    if (!statements) {
        return extended_error(statements.error().sqlstate(),
                              std::string{statements.error().what()});
    }
    if (statements->size() > 1) {
        return extended_error(sqlstate::kSyntaxError,
                              "cannot insert multiple commands into a prepared statement");
    }
    const conf::ConfigPtr config = context_.config();
    auto outcome =
        interpret(statements->empty() ? Statement{} : statements->front(), asker(*config));
    if (auto* refusal = std::get_if<protocol::ErrorFields>(&outcome)) {
        return extended_error(refusal->sqlstate, std::move(refusal->message));
    }
    Prepared prepared{std::get<Action>(std::move(outcome)), parse->parameter_types};
    if (prepared.action.select != nullptr) {
        complete_types(prepared.parameter_types, prepared.action.select->parameters);
    }
    prepared_.insert_or_assign(std::string{parse->name}, std::move(prepared));
    protocol::write_parse_complete(out_);
}

void Console::on_bind(ByteView body) {
    const auto bind = protocol::read_bind(body);
    if (!bind) {
        return extended_error(bind.error().sqlstate(), std::string{bind.error().what()});
    }
    const Prepared* prepared = find_prepared(bind->statement);
    if (prepared == nullptr) {
        return;
    }
    if (bind->parameters.size() != prepared->parameter_types.size()) {
        return extended_error(sqlstate::kProtocolViolation,
                              "bind message supplies " + std::to_string(bind->parameters.size()) +
                                  " parameters, but prepared statement " + quoted(bind->statement) +
                                  " requires " + std::to_string(prepared->parameter_types.size()));
    }
    auto formats = formats_for(bind->result_formats, prepared->action.described().size());
    if (!formats) {
        return extended_error(sqlstate::kProtocolViolation,
                              "bind message's result formats do not fit the columns");
    }
    if (!bind->portal.empty() && portals_.contains(bind->portal)) {
        return extended_error(kDuplicatePortal,
                              "cursor " + quoted(bind->portal) + " already exists");
    }
    if (portals_.size() >= kMaxPrepared) {
        return extended_error(sqlstate::kProgramLimitExceeded, "too many portals");
    }
    Portal portal;
    auto parameters = read_parameters(*bind, prepared->parameter_types);
    if (auto* refusal = std::get_if<protocol::ErrorFields>(&parameters)) {
        return extended_error(refusal->sqlstate, std::move(refusal->message));
    }
    portal.parameters = std::get<std::vector<Cell>>(std::move(parameters));
    portal.action = prepared->action;
    portal.formats = *std::move(formats);
    portals_.insert_or_assign(std::string{bind->portal}, std::move(portal));
    protocol::write_bind_complete(out_);
}

void Console::on_describe(ByteView body) {
    const auto wanted = protocol::read_describe(body);
    if (!wanted) {
        return extended_error(wanted.error().sqlstate(), std::string{wanted.error().what()});
    }
    if (wanted->kind == 'S') {
        if (const Prepared* prepared = find_prepared(wanted->name); prepared != nullptr) {
            protocol::write_parameter_description(out_, prepared->parameter_types);
            describe(prepared->action, {});
        }
    } else if (const Portal* portal = find_portal(wanted->name); portal != nullptr) {
        describe(portal->action, portal->formats);
    }
}

void Console::describe(const Action& action, const std::vector<Format>& formats) {
    if (action.described().empty()) {
        protocol::write_no_data(out_);
    } else {
        write_description(out_, action.described(), formats);
    }
}

void Console::on_execute(ByteView body) {
    const auto execute = protocol::read_execute(body);
    if (!execute) {
        return extended_error(execute.error().sqlstate(), std::string{execute.error().what()});
    }
    Portal* portal = find_portal(execute->portal);
    if (portal == nullptr) {
        return;
    }
    if (!portal->has_run) {
        if (needs_to_wait(portal->action)) {
            return wait(Pending{portal->action, portal, execute->max_rows});
        }
        portal->rows = rows_of(portal->action, status::Snapshot{});
        portal->has_run = true;
    }
    finish_execute(*portal, execute->max_rows);
}

/// Sends the portal's next rows. The portal may be gone afterwards (COMMIT ends them all).
void Console::finish_execute(Portal& portal, std::uint32_t max_rows) {
    write_notice_of(portal.action);
    std::size_t sent = 0;
    // A reached limit suspends even when no row is left, as PostgreSQL does: it does not look
    // ahead.
    while (portal.next_row < portal.rows.size() && (max_rows == 0 || sent < max_rows)) {
        write_row(out_, portal.action.described(), portal.formats, portal.rows[portal.next_row]);
        ++portal.next_row;
        ++sent;
    }
    if (max_rows != 0 && sent == max_rows) {
        protocol::write_portal_suspended(out_);
        return;
    }
    const Action action = portal.action;
    complete(action, sent);
}

void Console::on_close(ByteView body) {
    const auto wanted = protocol::read_close(body);
    if (!wanted) {
        return extended_error(wanted.error().sqlstate(), std::string{wanted.error().what()});
    }
    // Closing what does not exist is no error.
    if (wanted->kind == 'S') {
        if (const auto found = prepared_.find(wanted->name); found != prepared_.end()) {
            prepared_.erase(found);
        }
    } else if (const auto found = portals_.find(wanted->name); found != portals_.end()) {
        portals_.erase(found);
    }
    protocol::write_close_complete(out_);
}

void Console::on_sync() {
    is_skipping_ = false;
    if (!in_transaction_) {
        portals_.clear();  // they live as long as their transaction
    }
    ready_for_query();
}

Console::Portal* Console::find_portal(std::string_view name) {
    const auto found = portals_.find(name);
    if (found == portals_.end()) {
        extended_error(kUndefinedPortal, "portal " + quoted(name) + " does not exist");
        return nullptr;
    }
    return &found->second;
}

Console::Prepared* Console::find_prepared(std::string_view name) {
    const auto found = prepared_.find(name);
    if (found == prepared_.end()) {
        extended_error(kUndefinedPreparedStatement,
                       name.empty() ? "unnamed prepared statement does not exist"
                                    : "prepared statement " + quoted(name) + " does not exist");
        return nullptr;
    }
    return &found->second;
}

}  // namespace weir::admin
