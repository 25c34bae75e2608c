-- Question: the production goal of [@from, @to].  Grain: one row, NULL where no provider with hours has a goal.
-- Source: features.md §5: Σ scheduled hours × hourly goal; the practice's is the sum. Needs minutes.sql over the range.
SELECT ROUND(SUM(goal60) / 60, 2) AS goal FROM o_goal WHERE day BETWEEN @from AND @to;
