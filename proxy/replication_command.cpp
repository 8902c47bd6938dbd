#include "proxy/replication_command.hpp"

#include "protocol/frontend_views.hpp"
#include "protocol/message_type.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "sql/lexer.hpp"

namespace weir::proxy {

namespace {

bool is_replication_command(std::string_view text) {
    static constexpr std::array<std::string_view, 10> kWords = {"alter_replication_slot",
                                                                "base_backup",
                                                                "create_replication_slot",
                                                                "drop_replication_slot",
                                                                "identify_system",
                                                                "read_replication_slot",
                                                                "show",
                                                                "start_replication",
                                                                "timeline_history",
                                                                "upload_manifest"};
    sql::Lexer lexer{text};
    const sql::Token first = lexer.next();
    bool is_over = false;
    bool is_one = true;
    for (sql::Token token = lexer.next(); token.kind != sql::TokenKind::End; token = lexer.next()) {
        is_one = is_one && !is_over;
        is_over = is_over || token.is_symbol(';');
    }
    return is_one && std::any_of(kWords.begin(), kWords.end(), [&first](std::string_view word) {
               return first.is_word(word);
           });
}

}  // namespace

bool is_replication_command(const protocol::FrameHeader& header, ByteView rest) {
    if (static_cast<protocol::FrontendMessage>(header.type) != protocol::FrontendMessage::Query ||
        rest.size() < header.frame_bytes()) {
        return false;
    }
    const auto query = protocol::read_query(protocol::body_of(rest, header));
    return query && is_replication_command(query->sql);
}

}  // namespace weir::proxy
