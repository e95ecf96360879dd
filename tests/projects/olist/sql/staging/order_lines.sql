-- A closed deal is a purchase: the seller signs. What it brings is not in the
-- data (sellers only declared their own revenue, and few did), so it is one
-- unit for nothing; a free purchase is a purchase.
--
-- A deal that was won before its lead's first contact (there is one, by two
-- days) stays on its day: who has signed was in touch by then, so it is the
-- contact that was noted late. The lead becomes known, a prospect and a
-- customer on the day of the deal, 0 days to win, not -2.
with deals as (
    select * from landed.deals
)

select
    lead_no as order_id,
    cast(1 as bigint) as line_no,
    lead_no as customer_id,
    won_at as ordered_at,
    cast(null as varchar) as product_id,
    cast(1 as decimal(18, 3)) as quantity,
    cast(0 as decimal(18, 2)) as net_amount,
    cast(null as decimal(18, 2)) as margin,
    cast(null as varchar) as channel,
    cast(null as varchar) as campaign_id
from deals
