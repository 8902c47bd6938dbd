#pragma once

#include "admin/console.hpp"
#include "protocol/message_frame.hpp"
#include "protocol/message_writer.hpp"

#include <doctest/doctest.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fake_controller.hpp"
#include "fake_status.hpp"

namespace weir::test {

/// A console with a client that remembers what it was sent, and a loop the test turns by hand.
struct ConsoleFixture {
    FakeStatus status;
    admin::StatsHistory history;
    FakeController controller;
    std::shared_ptr<conf::Config> config = std::make_shared<conf::Config>();
    admin::ConsoleContext context{status,
                                  history,
                                  controller,
                                  [this] { return conf::ConfigPtr{config}; },
                                  [](const std::function<void()>& work) {
                                      work();
                                      return true;
                                  },
                                  "1.2.3"};
    std::deque<std::function<void()>> loop;  ///< what was posted
    std::string sent;
    int ready = 0;
    std::optional<admin::Console> console;

    explicit ConsoleFixture(admin::Role role = admin::Role::Admin) {
        config->admin.database = "weir";
        status.snapshot = sample_snapshot();
        console.emplace(
            context,
            role,
            admin::ConsoleIo{[this](std::function<void()> run) { loop.push_back(std::move(run)); },
                             [this](ByteView bytes) { sent += as_text(bytes); },
                             [this] { ++ready; }});
    }

    void turn() {
        while (!loop.empty()) {
            const auto run = std::move(loop.front());
            loop.pop_front();
            run();
        }
    }

    /// Feeds one whole message as message_writer wrote it, and turns the loop.
    void feed(const ByteWriter& message) {
        constexpr std::size_t kHeader = 5;
        const ByteView bytes = message.bytes();
        console->on_message(static_cast<protocol::FrontendMessage>(std::to_integer<char>(bytes[0])),
                            bytes.subspan(kHeader));
        turn();
    }

    void query(std::string_view sql) {
        ByteWriter writer;
        protocol::write_query(writer, sql);
        feed(writer);
    }

    void parse(std::string_view name, std::string_view sql, std::vector<std::uint32_t> types = {}) {
        ByteWriter writer;
        protocol::write_parse(writer, name, sql, types);
        feed(writer);
    }

    void bind(std::string_view portal,
              std::string_view statement,
              const std::vector<std::uint16_t>& formats = {}) {
        bind_parameters(portal, statement, 0, formats);
    }

    void bind_parameters(std::string_view portal,
                         std::string_view statement,
                         std::uint16_t nulls,
                         const std::vector<std::uint16_t>& formats) {
        ByteWriter writer;
        {
            const protocol::MessageFrame frame{writer, protocol::FrontendMessage::Bind};
            writer.cstring(portal);
            writer.cstring(statement);
            writer.u16(0);
            writer.u16(nulls);
            for (std::uint16_t i = 0; i < nulls; ++i) {
                writer.i32(-1);
            }
            writer.u16(static_cast<std::uint16_t>(formats.size()));
            for (const std::uint16_t format : formats) {
                writer.u16(format);
            }
        }
        feed(writer);
    }

    void describe(char kind, std::string_view name) {
        ByteWriter writer;
        protocol::write_describe(writer, kind, name);
        feed(writer);
    }

    void execute(std::string_view portal, std::uint32_t max_rows = 0) {
        ByteWriter writer;
        protocol::write_execute(writer, portal, max_rows);
        feed(writer);
    }

    void close(char kind, std::string_view name) {
        ByteWriter writer;
        protocol::write_close(writer, kind, name);
        feed(writer);
    }

    void sync() { feed_empty(protocol::FrontendMessage::Sync); }

    void feed_empty(protocol::FrontendMessage type) {
        ByteWriter writer;
        { const protocol::MessageFrame frame{writer, type}; }
        feed(writer);
    }

    struct Message {
        char type = 0;
        std::string body;
    };

    /// @return what was sent since the last call
    std::vector<Message> take() {
        std::vector<Message> messages;
        ByteReader reader{as_bytes(sent)};
        while (reader.remaining() > 0) {
            const auto type = reader.u8();
            const auto length = reader.u32();
            REQUIRE(length.has_value());
            const auto body = reader.take(*length - 4);
            REQUIRE(body.has_value());
            messages.push_back({static_cast<char>(*type), std::string{as_text(*body)}});
        }
        sent.clear();
        return messages;
    }

    /// @return the type bytes of what was sent since the last call
    std::string types() {
        std::string result;
        for (const Message& message : take()) {
            result += message.type;
        }
        return result;
    }
};

/// @return whether an ErrorResponse or NoticeResponse has that field, e.g. field(body, "C42601")
inline bool has_field(const ConsoleFixture::Message& message, std::string_view field) {
    return ('\0' + message.body).find(std::string{field} + '\0') != std::string::npos;
}

}  // namespace weir::test
