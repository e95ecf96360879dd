-- The key figures, from the facts up to each of their cut days.
with cut_days as (
    select cut_on
    from intermediate.cut_days
    where purpose = 'kpi'
),

known_customers as (
    select * from intermediate.known_customers
),

customer_engagement as (
    select * from intermediate.customer_engagement
),

buyers as (
    select * from intermediate.buyers
),

lead_score_positions as (
    select * from intermediate.lead_score_positions
),

campaigns as (
    select * from staging.campaigns
),

referrals as (
    select * from intermediate.referral_outcomes
),

referral_programmes as (
    select * from intermediate.referral_programmes
),

churn_positions as (
    select * from intermediate.churn_positions
),

advocacy_acts as (
    select * from intermediate.advocacy_acts
),

survey_responses as (
    select * from intermediate.survey_responses
),

engagement_returns as (
    select * from intermediate.engagement_returns
),

customer_profits as (
    select * from intermediate.customer_profits
),

-- Windows exclude their first bound.
cuts as (
    select
        cut_on,
        add_days(cut_on, -$kpi_period_days) as period_from,
        add_days(cut_on, -$conversion_days) as matured_to,
        add_days(cut_on, -$conversion_days - $kpi_period_days)
            as matured_from
    from cut_days
),

customers as (
    select
        cuts.cut_on,
        count(*) as known,
        count(*) filter (where known_customers.is_contactable) as contactable,
        count(*) filter (
            where
            not known_customers.is_known_from_start
            and known_customers.known_on > cuts.period_from
        ) as reach
    from cuts
    inner join known_customers
        on
            known_customers.is_known_from_start
            or cuts.cut_on >= known_customers.known_on
    group by cuts.cut_on
),

leads as (
    select
        cut_on,
        count(*) filter (where grade in ('A', 'B')) as qualified_leads
    from lead_score_positions
    group by cut_on
),

-- Who became a prospect by interest, not by a purchase.
prospects as (
    select
        business_day(customer_engagement.first_engaged_at) as prospect_on,
        buyers.first_purchase_on
    from customer_engagement
    left join buyers on customer_engagement.customer_id = buyers.customer_id
    where
        customer_engagement.first_engaged_at is not null
        and (
            buyers.first_purchased_at is null
            or customer_engagement.first_engaged_at
            <= buyers.first_purchased_at
        )
),

conversions as (
    select
        cuts.cut_on,
        count(*) as prospects,
        count(*) filter (
            where
            prospects.first_purchase_on
            <= add_days(prospects.prospect_on, $conversion_days)
        ) as converted
    from cuts
    inner join prospects
        on
            cuts.matured_to >= prospects.prospect_on
            and cuts.matured_from < prospects.prospect_on
    group by cuts.cut_on
),

-- Bounds on days since something are half-open: 90 to 179 days ago.
purchases as (
    select
        cuts.cut_on,
        count(*) filter (
            where buyers.first_purchase_on > cuts.period_from
        ) as new_customers,
        count(*) filter (
            where
            buyers.first_purchase_on > add_days(cuts.cut_on, -180)
            and buyers.first_purchase_on <= add_days(cuts.cut_on, -90)
        ) as first_purchases,
        count(*) filter (
            where
            buyers.first_purchase_on > add_days(cuts.cut_on, -180)
            and buyers.first_purchase_on <= add_days(cuts.cut_on, -90)
            and buyers.second_purchase_on
            <= add_days(buyers.first_purchase_on, 90)
        ) as second_purchases
    from cuts
    inner join buyers on cuts.cut_on >= buyers.first_purchase_on
    group by cuts.cut_on
),

-- Where a day is missing: one without an end has cost to date what it says,
-- one without a start was on its last day.
acquisition_campaigns as (
    select
        coalesce(started_on, ended_on) as first_on,
        greatest(
            coalesce(started_on, ended_on),
            coalesce(ended_on, $as_of)
        ) as last_on,
        cost
    from campaigns
    where
        objective = 'acquisition'
        and cost is not null
        and coalesce(started_on, ended_on) <= $as_of
),

acquisition_costs as (
    select
        cuts.cut_on,
        sum(
            cast(acquisition_campaigns.cost as decimal(26, 8))
            * cast(
                days_between(
                    greatest(
                        acquisition_campaigns.first_on,
                        add_days(cuts.period_from, 1)
                    ),
                    least(acquisition_campaigns.last_on, cuts.cut_on)
                ) + 1 as decimal(6, 0)
            )
            / cast(
                days_between(
                    acquisition_campaigns.first_on,
                    acquisition_campaigns.last_on
                ) + 1 as decimal(6, 0)
            )
        ) as cost
    from cuts
    inner join acquisition_campaigns
        on
            cuts.cut_on >= acquisition_campaigns.first_on
            and cuts.period_from < acquisition_campaigns.last_on
    group by cuts.cut_on
),

-- A friend's first purchase counts for one referral.
referred as (
    select
        cuts.cut_on,
        count(*) as new_customers
    from cuts
    inner join referrals on cuts.cut_on = referrals.cut_on
    where
        referrals.is_converted
        and referrals.first_purchase_on > cuts.period_from
    group by cuts.cut_on
),

churn as (
    select
        cut_on,
        count(*) as bought_before,
        count(*) filter (where has_bought_now) as retained,
        count(*) filter (where category = 'account') as account,
        count(*) filter (where category = 'product') as product,
        count(*) filter (where category = 'spend') as spend
    from churn_positions
    where has_bought_before
    group by cut_on
),

-- Spoke for us at or after their second purchase.
advocating_customers as (
    select
        advocacy_acts.cut_on,
        advocacy_acts.customer_id
    from advocacy_acts
    inner join buyers on advocacy_acts.customer_id = buyers.customer_id
    where advocacy_acts.acted_at >= buyers.second_purchased_at
    group by advocacy_acts.cut_on, advocacy_acts.customer_id
),

advocates as (
    select
        cut_on,
        count(*) as advocates
    from advocating_customers
    group by cut_on
),

recommendations as (
    select
        cuts.cut_on,
        count(*) as responses,
        count(*) filter (where survey_responses.score >= 9) as promoters,
        count(*) filter (where survey_responses.score <= 6) as detractors
    from cuts
    inner join survey_responses
        on
            cuts.cut_on >= survey_responses.day
            and add_days(cuts.cut_on, -90) < survey_responses.day
    where
        survey_responses.kind = 'nps'
        and survey_responses.score is not null
    group by cuts.cut_on
),

vips as (
    select
        cut_on,
        sum(revenue_12m) as revenue,
        sum(revenue_12m) filter (where is_vip) as vip_revenue
    from customer_profits
    group by cut_on
),

final as (
    select
        cuts.cut_on,
        cast(coalesce(customers.reach, 0) as double) as reach,
        cast(coalesce(leads.qualified_leads, 0) as double)
            as qualified_leads,
        cast(conversions.converted as double)
        / nullif(conversions.prospects, 0) as lead_conversion_rate,
        cast(coalesce(purchases.new_customers, 0) as double) as new_customers,
        cast(coalesce(acquisition_costs.cost, 0) as double)
        / nullif(purchases.new_customers, 0) as cost_per_acquisition,
        cast(coalesce(referred.new_customers, 0) as double)
        / nullif(purchases.new_customers, 0) as referral_share,
        cast(churn.retained as double)
        / nullif(churn.bought_before, 0) as retention_rate,
        cast(purchases.second_purchases as double)
        / nullif(purchases.first_purchases, 0) as repeat_rate,
        cast(churn.account as double)
        / nullif(churn.bought_before, 0) as churn_rate_account,
        cast(churn.product as double)
        / nullif(churn.bought_before, 0) as churn_rate_product,
        cast(churn.spend as double)
        / nullif(churn.bought_before, 0) as churn_rate_spend,
        cast(coalesce(advocates.advocates, 0) as double) as advocates,
        100.0
        * cast(
            recommendations.promoters - recommendations.detractors as double
        ) / nullif(recommendations.responses, 0) as nps,
        referral_programmes.k_factor,
        engagement_returns.return_on_engagement,
        cast(coalesce(vips.vip_revenue, 0) as double)
        / nullif(cast(vips.revenue as double), 0.0) as vip_share_of_revenue,
        cast(customers.contactable as double)
        / nullif(customers.known, 0) as contactable_share
    from cuts
    left join customers on cuts.cut_on = customers.cut_on
    left join leads on cuts.cut_on = leads.cut_on
    left join conversions on cuts.cut_on = conversions.cut_on
    left join purchases on cuts.cut_on = purchases.cut_on
    left join acquisition_costs on cuts.cut_on = acquisition_costs.cut_on
    left join referred on cuts.cut_on = referred.cut_on
    left join churn on cuts.cut_on = churn.cut_on
    left join advocates on cuts.cut_on = advocates.cut_on
    left join recommendations on cuts.cut_on = recommendations.cut_on
    left join referral_programmes
        on cuts.cut_on = referral_programmes.cut_on
    left join engagement_returns on cuts.cut_on = engagement_returns.cut_on
    left join vips on cuts.cut_on = vips.cut_on
)

select * from final
