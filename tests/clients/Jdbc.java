import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Timestamp;
import java.time.Instant;

/** What a Java program does with ClickHouse's JDBC driver as it comes: `java Jdbc.java URL PASSWORD ANALYST-PASSWORD`. */
class Jdbc {
    public static void main(String[] arguments) throws SQLException {
        String url = "jdbc:clickhouse:" + arguments[0] + "/mailiu";
        try (Connection connection = DriverManager.getConnection(url, "mailiu", arguments[1])) {
            System.out.println("product " + connection.getMetaData().getDatabaseProductName());
            try (Statement statement = connection.createStatement()) {
                statement.execute("CREATE TABLE java (id UInt32, name String, systolic Nullable(Float64), time DateTime64(3, 'UTC'))"
                        + " ENGINE = MergeTree ORDER BY id");
            }
            String insert = "INSERT INTO java (id, name, systolic, time) VALUES (?, ?, ?, ?)";
            try (PreparedStatement statement = connection.prepareStatement(insert)) {
                for (int id = 1; id <= 1000; id++) {
                    statement.setInt(1, id);
                    statement.setString(2, id == 7 ? "it's 血压 \\ ?" : "n" + id);
                    statement.setObject(3, id % 2 == 0 ? null : 135.5);
                    statement.setTimestamp(4, Timestamp.from(Instant.parse("2024-02-29T12:00:00.123Z")));
                    statement.addBatch();
                }
                System.out.println("batch " + statement.executeBatch().length);
            }
            String select = "SELECT count(), countIf(isNull(systolic)), anyIf(name, id = ?), max(time) FROM java WHERE id <= ?";
            try (PreparedStatement statement = connection.prepareStatement(select)) {
                statement.setInt(1, 7);
                statement.setInt(2, 500);
                try (ResultSet row = statement.executeQuery()) {
                    row.next();
                    System.out.println("select " + row.getLong(1) + " " + row.getLong(2) + " " + row.getString(3) + " "
                            + row.getTimestamp(4).toInstant());
                }
            }
            try (Statement statement = connection.createStatement();
                    ResultSet row = statement.executeQuery("SELECT number FROM numbers(300000)")) {
                long sum = 0;
                while (row.next()) {
                    sum += row.getLong(1);
                }
                System.out.println("sum " + sum);
            }
            try (ResultSet columns = connection.getMetaData().getColumns(null, "mailiu", "java", "%")) {
                StringBuilder names = new StringBuilder();
                while (columns.next()) {
                    names.append(' ').append(columns.getString("COLUMN_NAME"));
                }
                System.out.println("columns" + names);
            }
            report("unknown", connection, "SELECT nope");
        }
        try (Connection analyst = DriverManager.getConnection(url, "analyst", arguments[2])) {
            report("analyst", analyst, "SELECT count() FROM java");
            report("refused", analyst, "DROP TABLE java");
        }
    }

    private static void report(String what, Connection connection, String sql) {
        try (Statement statement = connection.createStatement()) {
            boolean rows = statement.execute(sql);
            if (!rows) {
                System.out.println(what + " ran");
                return;
            }
            try (ResultSet row = statement.getResultSet()) {
                row.next();
                System.out.println(what + " " + row.getLong(1));
            }
        } catch (SQLException error) {
            System.out.println(what + " error " + error.getErrorCode());
        }
    }
}
